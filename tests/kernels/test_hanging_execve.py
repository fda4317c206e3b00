"""An unprivileged user's execve() never returns, and holds the lock that reading the process's I/O takes.

execve() holds it while it closes the close-on-exec descriptors (begin_new_exec, fs/exec.c): here one of a FUSE file
system that answers no FLUSH.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testkit.until import until
from tests.kernels.hanging_fuse import NOBODY, HangingFuse, Operation, hanging_fuse
from tests.kernels.reports import reported, reporting, usual_end
from tests.kernels.vmms import PYTHON, listed
from vmiostat import Poller, Roots
from vmiostat.counter_sources import ProcessIo
from vmiostat.discovery.running_process import running_process

WITHOUT_THE_LOCK = tuple(map(int, os.uname().release.split(".")[:2])) >= (7, 3)
"""It reads the I/O of a process without the lock that its execve() holds: 6.12 was seen to take it, 7.3 not."""

EXECUTES = """
import os, sys
descriptor, program, *words = sys.argv[1:]
os.set_inheritable(int(descriptor), False)
print("ready", flush=True)
sys.stdin.readline()
os.execv(program or f"/proc/self/fd/{descriptor}", [program or "file", *words])
"""


@pytest.fixture
def fuse() -> Iterator[HangingFuse]:
    """A file system that will answer no FLUSH."""
    yield from unanswered(Operation.FLUSH)


@pytest.fixture
def unread() -> Iterator[HangingFuse]:
    """A file system that will answer no READ."""
    yield from unanswered(Operation.READ)


def unanswered(operation: Operation) -> Iterator[HangingFuse]:
    folder = Path("/run/hanging")
    with hanging_fuse(folder, operation) as hanging:
        yield hanging
    shutil.rmtree(folder)


@contextmanager
def about_to_execute(fuse: HangingFuse, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of an unprivileged user that has the file open, and executes this program after it has read a line.

    Without a name the program is the file itself. FUSE lets nobody but its user open it, so root duplicates the
    descriptor.
    """
    descriptor = fuse.copy(fuse.fuse)
    with subprocess.Popen(
        ["qemu-system-x86_64", "-ISc", EXECUTES, str(descriptor), *words],
        executable=PYTHON,
        env={"PYTHONHOME": sys.base_prefix},
        pass_fds=[descriptor],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        user=NOBODY,
        group=NOBODY,
        extra_groups=(),
        cwd="/",
    ) as process:
        os.close(descriptor)  # while FLUSH is still answered
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        try:
            yield process
        finally:
            fuse.end()  # or else it cannot end
            process.kill()


def execute(process: subprocess.Popen[bytes]) -> None:
    """Has it call execve(), which takes the lock soon. Nothing here may read its stat or wchan: that takes it, too."""
    assert process.stdin is not None
    process.stdin.write(b"\n")
    process.stdin.flush()


def polled_for(seconds: float, poller: Poller, expected: list[str]) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert states(poller) == expected


def poller_of(*processes: int) -> Poller:
    rows = []
    for pid in processes:
        found = running_process(pid, Roots())
        assert found is not None
        rows.append(("vm", str(pid), ProcessIo(pid, found.started)))
    return Poller(Roots(), rows, [])


def states(poller: Poller) -> list[str]:
    return [row.state for row in poller.poll().block]


def test_polls_go_on_with_the_last_numbers(fuse: HangingFuse) -> None:
    with about_to_execute(fuse, "/bin/true") as process, poller_of(process.pid, os.getpid()) as poller:
        before = poller.poll().block[0]
        assert states(poller) == ["ok", "ok"]
        fuse.hang()
        execute(process)
        if WITHOUT_THE_LOCK:
            polled_for(1.0, poller, ["ok", "ok"])
            return
        until(lambda: states(poller) == ["stale", "ok"])
        times, rows = [], poller.poll().block
        for _ in range(100):
            begun = time.monotonic()
            rows = poller.poll().block
            times.append(time.monotonic() - begun)
            assert [row.state for row in rows] == ["stale", "ok"]
        assert max(times) < 2, "the read never returns"
        assert rows[0].time_ns < rows[1].time_ns
        assert rows[0].rd_bytes >= before.rd_bytes >= 0
        assert "reading it hangs, since an execve()" in str(poller.problem("block", 0))
        waiting = [stat for stat in Path("/proc/self/task").glob("*/stat") if ") D " in stat.read_text()]
        assert len(waiting) == 1, "one thread hangs, however many polls there were"
        fuse.end()
        until(lambda: states(poller)[0] in ("ok", "gone"))


def test_an_execve_that_waits_for_its_file_blocks_nothing(unread: HangingFuse) -> None:
    """It holds another lock, cred_guard_mutex, which reading the process's I/O took before Linux 5.7."""
    with about_to_execute(unread, "") as process, poller_of(process.pid) as poller:
        unread.hang()
        execute(process)
        until(lambda: Path(f"/proc/{process.pid}/wchan").read_text() not in ("0", "pipe_read", "anon_pipe_read"))
        assert states(poller) == ["ok"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_ends(fuse: HangingFuse, number: signal.Signals) -> None:
    """The process counts as a virtual machine: the administrator lists its program."""
    usual = usual_end(number)
    with about_to_execute(fuse, "/bin/true") as process, listed(), reporting() as reports:
        name = f"pid {process.pid}"
        reported(lambda: reports.rows(name).get(f"{name} total") == "ok")
        fuse.hang()
        execute(process)
        if not WITHOUT_THE_LOCK:
            reported(lambda: reports.rows(name).get(f"{name} total") == "stale")
        assert reports.end(number) < usual + 1.0, "the read never returns"
