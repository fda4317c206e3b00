"""No line is longer than the terminal, and all numbers stand below their headings."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.command import COMMAND, vmiostat
from testkit.trees.libvirt import LibvirtTree
from vmiostat.cli.names import width
from vmiostat.cli.table.fit import clipped, fit, wrapped

NAMES = ["web1", "한글가상머신-데이터베이스-주서버-01", "Windows 10", "x" * 48]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> LibvirtTree:
    """A machine with 40 VMs, whose interfaces count from 0 to 40 Gbit/s since its start 100 s ago."""
    tree = LibvirtTree(tmp_path_factory.mktemp("fit"))
    tree.interfaces({f"vnet{number}": number * 12_500_000_000 for number in range(40)})
    for number in range(40):
        name = NAMES[number % len(NAMES)] + f"-{number}" * (number >= len(NAMES))
        tree.start(name, [f"vnet{number}"], number=number + 1)
    (tree.root / "sys/class/block").mkdir(parents=True)
    (tree.root / "proc/uptime").write_text("100.00 100.00\n")
    return tree


def on_terminal(columns: int, *arguments: str | Path) -> str:
    """What the command prints on a terminal of this width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 50, columns, 0, 0))
    command = subprocess.Popen([*COMMAND, *arguments], stdout=theirs, stderr=subprocess.PIPE)
    os.close(theirs)
    text = b"".join(_read(ours))
    assert command.stderr is not None
    assert (command.stderr.read(), command.wait(60)) == (b"", 0)
    command.stderr.close()
    os.close(ours)
    return text.decode().replace("\r\n", "\n")


def _read(descriptor: int) -> Iterator[bytes]:
    while True:
        try:
            data = os.read(descriptor, 1 << 16)
        except OSError:  # the command has ended
            return
        yield data


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
@pytest.mark.parametrize("options", [(), ("-x", "--time"), ("--human", "--bits"), ("--sum", "-m")])
def test_no_line_is_longer_than_the_terminal(tree: LibvirtTree, columns: int, options: tuple[str, ...]) -> None:
    text = on_terminal(columns, "--root", tree.root, "-i", *options, "0.05", "2")
    lines = text.splitlines()
    assert max(map(width, lines)) <= columns
    heading = next(line for line in lines if "Domain" in line)
    table = lines[lines.index(heading) :][:41]
    assert len(table) == 41
    if len(heading.split()) > 2 + 2 * ("--time" in options):
        assert len({width(line) for line in table}) == 1
    if options == ():
        names = [line[: heading.index("Interface")].strip() for line in table[1:] if line.isascii()]
        assert len(names) == len(set(names)) > 10


def test_a_pipe_gets_every_column_and_the_whole_name(tree: LibvirtTree) -> None:
    text = vmiostat("--root", tree.root, "-i", "-x")
    heading = next(line for line in text.splitlines() if line.startswith("Domain"))
    assert len(heading.split()) == 2 + 14  # without those that only the host's view has
    assert "Windows 10 " in text
    assert "x" * 48 + " " in text
    assert text.count("…") == 2 * sum(name == "x" * 48 for name in (NAMES[n % 4] for n in range(4, 40)))


def test_columns_of_least_worth_go_first(tree: LibvirtTree) -> None:
    def headings(columns: int) -> list[str]:
        text = on_terminal(columns, "--root", tree.root, "-i", "web1", "--exclude", "Windows*")
        return next(line for line in text.splitlines() if line.startswith("Domain")).split()[2:]

    assert headings(80) == ["rxkB/s", "rxpck/s", "rxerr/s", "rxdrop/s", "txkB/s", "txpck/s", "txerr/s", "txdrop/s"]
    assert headings(60) == ["rxkB/s", "rxpck/s", "rxdrop/s", "txkB/s", "txpck/s"]
    assert headings(40) == ["rxkB/s", "rxpck/s", "txkB/s"]
    assert headings(30) == ["rxkB/s", "txkB/s"]


def test_names_are_cut_before_numbers_go_and_no_further_than_that_helps() -> None:
    numbers = [(8, -index) for index in range(8)]
    assert fit(None, (48, 48), [], numbers) == (48, 48, list(range(8)))
    assert fit(200, (48, 10), [], numbers) == (48, 48, list(range(8)))
    domain, _, kept = fit(80, (48, 5), [], numbers)
    assert domain < 48
    assert kept == list(range(len(kept)))
    assert len(kept) >= 6
    assert fit(80, (13, 8), [], [(10, -1), (40, -2), (40, -3)]) == (48, 48, [0, 1])
    for room in range(24, 130):
        domain, device, kept = fit(room, (48, 48), [5], numbers)
        assert min(domain, 48) + 1 + min(device, 48) + 6 + 9 * len(kept) <= max(room, 29)


def test_a_note_is_wrapped_and_a_last_resort_cuts() -> None:
    assert wrapped("a note of some words", 9) == ["a note of", "  some", "  words"]
    assert wrapped("a note", None) == ["a note"]
    assert clipped("한글한글", 5) == "한글"
    assert re.fullmatch("x{7}", clipped("x" * 20, 7))
