"""A read of /proc/PID/io that hangs delays no poll, and keeps no program from ending."""

import json
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.command import started
from testkit.held_reads import HeldReads, held_reads
from testkit.until import until
from vmiostat import Host, Poller, Roots, SourceError
from vmiostat.counter_sources import ProcessIo

LONG = 5.0
"""Seconds for some polls, which take microseconds; a read that hangs takes for ever."""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A captured machine with the VMs vm7 and vm8, whose processes have their numbers."""
    for pid in (7, 8):
        process = tmp_path / f"proc/{pid}"
        process.mkdir(parents=True)
        (process / "stat").write_text(f"{pid} (qemu-system-x86) S {' '.join(map(str, range(4, 53)))}\n")
        (process / "cmdline").write_text(f"qemu-system-x86_64\0-name\0guest=vm{pid}\0")
        (process / "io").write_text(f"read_bytes: {pid}\nwrite_bytes: 1\n")
        status = tmp_path / f"run/libvirt/qemu/vm{pid}.xml"
        status.parent.mkdir(parents=True, exist_ok=True)
        definition = f"<domain type='kvm' id='{pid}'><name>vm{pid}</name></domain>"
        status.write_text(f"<domstatus state='running' pid='{pid}'>{definition}</domstatus>")
    return tmp_path


@pytest.fixture
def held(tree: Path) -> Iterator[HeldReads]:
    """Of the first VM's process."""
    with held_reads(tree / "proc/7/io") as held:
        yield held


def states(poller: Poller) -> list[tuple[str, int]]:
    return [(row.state, row.rd_bytes) for row in poller.poll().block]


def threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def test_polls_go_on_with_the_last_numbers(tree: Path, held: HeldReads) -> None:
    with Poller(Roots(tree), [("vm", f"{pid}", ProcessIo(pid, 22)) for pid in (7, 8)], []) as poller:
        before = poller.poll().block[0]
        held.hold()
        states(poller)
        begun, before_them = time.monotonic(), threads()
        for _ in range(100):
            assert states(poller) == [("stale", 7), ("ok", 8)]
        assert time.monotonic() - begun < LONG
        assert threads() <= before_them + 1, "the one for the process that does not hang"
        assert poller.poll().block[0].time_ns == before.time_ns
        assert "proc/7/io: reading it hangs" in str(poller.problem("block", 0))
        held.release()
        until(lambda: states(poller) == [("ok", 7), ("ok", 8)])


def test_pollers_that_are_opened_again_and_again_leave_one_thread(tree: Path, held: HeldReads) -> None:
    host = Host(tree)
    vm7 = host.domain("vm7")
    held.hold()
    begun, before = time.monotonic(), threads()
    for _ in range(50):
        with pytest.raises(SourceError, match="proc/7/io: reading it hangs"):
            vm7.block_stats("total")
    assert time.monotonic() - begun < LONG
    assert threads() == before + 1


def test_a_process_that_is_replaced_meanwhile_gives_no_number(tree: Path, held: HeldReads) -> None:
    with Poller(Roots(tree), [("vm", "total", ProcessIo(7, 22))], []) as poller:
        held.hold()
        assert states(poller) == [("stale", -1)]
        shutil.rmtree(tree / "proc/7")
        (tree / "proc/7").mkdir()
        (tree / "proc/7/stat").write_text(f"7 (cat) S {' '.join(map(str, range(5, 54)))}\n")
        (tree / "proc/7/io").write_text("read_bytes: 1000000\nwrite_bytes: 1\n")
        for started, found in ((22, ("stale", -1)), (23, ("ok", 1000000))):
            with Poller(Roots(tree), [("vm", "total", ProcessIo(7, started))], []) as other:
                assert states(other) == [found]
        assert states(poller) == [("stale", -1)]


@pytest.mark.timing
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_ends_while_a_read_hangs(number: signal.Signals, tree: Path, held: HeldReads) -> None:
    with started("--root", tree, "--json", "0.05") as command:
        assert command.stdout is not None

        def shown() -> list[str]:
            assert command.stdout is not None
            rows = json.loads(command.stdout.readline())["block"]
            return [f"{row['domain']} {row['state']}" for row in rows]

        until(lambda: shown() == ["vm7 ok", "vm8 ok"])
        held.hold()
        until(lambda: shown() == ["vm7 stale", "vm8 ok"])
        command.send_signal(number)
        begun = time.monotonic()
        threading.Thread(target=command.stdout.read).start()
        assert command.wait(60) == (0 if number == signal.SIGINT else 128 + number)
        assert time.monotonic() - begun < 1.0
