"""The files of a plan hold anything, while a poller has them open: that costs their own rows alone."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from testkit.counters_of import counters_of
from vmiostat import Poller, Roots, SourceError
from vmiostat.counter_sources import BlockCounterSource, BlockDevice, CgroupIo, NetDevice, ProcessIo, XenVbd

NUMBERS = " ".join(str(number) for number in range(1, 18))
INTERFACE = " ".join(str(number) for number in range(1, 17))
GOOD = {
    "proc/net/dev": f"Inter-| Receive\n face |bytes\n  tap0: {INTERFACE}\n  tap1: {INTERFACE}\n",
    "sys/dev/block/8:0/stat": f"{NUMBERS}\n",
    "sys/dev/block/8:16/stat": f"{NUMBERS}\n",
    "sys/bus/xen-backend/devices/vbd-1-51712/statistics/rd_req": "1\n",
    "sys/bus/xen-backend/devices/vbd-1-51728/statistics/rd_req": "3\n",
    "sys/fs/cgroup/one/io.stat": "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n",
    "sys/fs/cgroup/other/io.stat": "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n",
    "proc/7/io": "rchar: 1\nread_bytes: 2\nwrite_bytes: 3\ncancelled_write_bytes: 0\n",
    "proc/8/io": "rchar: 1\nread_bytes: 2\nwrite_bytes: 3\ncancelled_write_bytes: 0\n",
}
BLOCK: dict[str, BlockCounterSource] = {
    "sys/dev/block/8:0/stat": BlockDevice(8, 0),
    "sys/dev/block/8:16/stat": BlockDevice(8, 16),
    "sys/bus/xen-backend/devices/vbd-1-51712/statistics/rd_req": XenVbd("vbd", 1, 51712),
    "sys/bus/xen-backend/devices/vbd-1-51728/statistics/rd_req": XenVbd("vbd", 1, 51728),
    "sys/fs/cgroup/one/io.stat": CgroupIo("/sys/fs/cgroup/one"),
    "sys/fs/cgroup/other/io.stat": CgroupIo("/sys/fs/cgroup/other"),
    "proc/7/io": ProcessIo(7),
    "proc/8/io": ProcessIo(8),
}
"""A row, and a file of its own."""

HUGE = 20 << 20
HOSTILE = {
    "nothing": b"",
    "a blank": b" ",
    "a line's end": b"\n",
    "zeros": bytes(4096),
    "text": b"Permission denied\n",
    "no ASCII": "ein Zähler, 数据".encode(),
    "all bytes": bytes(range(256)) * 16,
    "a number over 63 bits": b"9223372036854775808 " * 20,
    "a number over 64 bits": b"tap0: " + b"18446744073709551616 " * 17,
    "a number without end": b"1" * HUGE,
    "a text without end": b"x" * HUGE,
    "lines without end": b"x\n" * (HUGE // 2),
    "blanks without end": b" " * HUGE,
    "negative numbers": b"-1 " * 17,
    "a word among numbers": NUMBERS.replace(" 9 ", " nine ").encode(),
    "half a line": b"  tap0: 1 2 3",
    "more lines of one device": f"tap0: {INTERFACE}\ntap0: 1 2\n".encode() * 100,
    "a wrong separator": NUMBERS.replace(" ", "\x0b").encode(),
    "equals signs": b"=" * 4096,
    "keys without numbers": b"8:0 rbytes= wbytes=\nread_bytes: \nwrite_bytes: -\n",
}

HARMLESS = {
    ("more lines of one device", "dev"),
    # A group without any I/O has an empty file, and kernels have keys of all kinds.
    *((what, "io.stat") for what in ("nothing", "a blank", "a line's end", "equals signs")),
}
"""What a file may hold all the same."""


def listen(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path.name)


PLACES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: None,
    "a folder": Path.mkdir,
    "a FIFO": os.mkfifo,
    "symlinks in a circle": lambda path: path.symlink_to(path),
    "a symlink that leads out": lambda path: path.symlink_to("/dev/zero"),
    "a socket": listen,
}
"""What may stand in a file's place."""


@dataclass
class Machine:
    """A captured machine, and a poller that has all its files open."""

    tree: Path
    poller: Poller

    def states(self) -> dict[str, str]:
        """Of each row, by its file."""
        sample = self.poller.poll()
        for row in (*sample.block, *sample.interface):
            counters = counters_of(row)
            assert row.state != "ok" or max(counters) >= 0
            assert row.state == "ok" or set(counters) == {-1}
        states = {file: sample.block["vm", file].state for file in BLOCK}
        return states | {name: sample.interface["vm", name].state for name in ("tap0", "tap1")}


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    for name, text in GOOD.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    block = [("vm", file, counters) for file, counters in BLOCK.items()]
    interface = [("vm", name, NetDevice(name), False) for name in ("tap0", "tap1")]
    with Poller(Roots(tmp_path), block, interface) as poller:
        machine = Machine(tmp_path, poller)
        assert set(machine.states().values()) == {"ok"}
        yield machine


@pytest.mark.parametrize("file", [*BLOCK, "proc/net/dev"])
def test_anything_in_a_file_costs_its_own_rows_and_heals(machine: Machine, file: str) -> None:
    own = {file} if file in BLOCK else {"tap0", "tap1"}
    path = machine.tree / file
    for what, content in HOSTILE.items():
        path.write_bytes(content)
        begun = time.monotonic()
        states = machine.states()
        assert time.monotonic() - begun < 20, what
        assert {row for row, state in states.items() if state != "ok"} <= own, what
        if (what, Path(file).name) not in HARMLESS:
            assert {states[row] for row in own} <= {"unreadable", "gone"}, what
        for row in own:
            if states[row] == "unreadable":
                number = list(BLOCK).index(row) if row in BLOCK else ("tap0", "tap1").index(row)
                problem = machine.poller.problem("block" if row in BLOCK else "interface", number)
                assert isinstance(problem, SourceError)
                assert str(machine.tree) in str(problem)
        path.write_text(GOOD[file])
        assert set(machine.states().values()) == {"ok"}, what


@pytest.mark.parametrize("file", [*BLOCK, "proc/net/dev"])
@pytest.mark.parametrize("what", sorted(PLACES))
def test_anything_in_a_file_s_place_costs_its_own_rows_and_heals(
    machine: Machine, file: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is open stays open; to see what is there now, a new poller looks. It waits for nobody."""
    path = machine.tree / file
    path.unlink()
    monkeypatch.chdir(path.parent)  # a socket's path may not be long
    PLACES[what](path)
    begun = time.monotonic()
    assert set(machine.states().values()) == {"ok"}
    block = [("vm", name, counters) for name, counters in BLOCK.items()]
    interface = [("vm", name, NetDevice(name), False) for name in ("tap0", "tap1")]
    with Poller(Roots(machine.tree), block, interface) as poller:
        now = Machine(machine.tree, poller)
        states = now.states()
        own = {file} if file in BLOCK else {"tap0", "tap1"}
        assert {row for row, state in states.items() if state != "ok"} == own
        assert time.monotonic() - begun < 20
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
        path.write_text(GOOD[file])
        assert poller.reopen() == 1
        assert set(now.states().values()) == {"ok"}
