"""Calls in a helper process: their answers, and what becomes of one that hangs."""

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.real.devices import Loop
from testkit.real.needs import need_devices
from testkit.until import until
from vmiostat import Roots
from vmiostat.errors import SourceError
from vmiostat.system.probe import pool
from vmiostat.system.probe.pool import MOST_HANGS_BY_A_USER, MOST_STUCK, MOST_STUCK_BY_A_USER, Probe, ProbeTimeout
from vmiostat.system.processes import start_time

HANGS = "import socket, time; end = socket.socket(fileno=0); end.send(b'x'); time.sleep(30)"
"""In the place of the helper's program."""
FAILS = "raise SystemExit(1)"


@pytest.fixture
def probe() -> Iterator[Probe]:
    probe = Probe(deadline=0.3)
    yield probe
    probe.close()


@pytest.fixture
def hanging(probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Probe:
    """A probe whose helpers hang."""
    (tmp_path / "server.py").write_text(HANGS)
    monkeypatch.setattr(pool, "_SERVER", tmp_path / "server.py")
    return probe


def command_line(probe: Probe, pid: int, started: int | None, user: int = 0) -> str:
    key, path = (pid, started), f"/proc/{pid}/cmdline"
    value, _ = probe.call("command_line", "/proc", pid, started, 1000, key=key, path=path, user=user)
    assert isinstance(value, str)
    return value


def test_a_command_line(probe: Probe) -> None:
    started = start_time(os.getpid(), Roots())
    whole = Path("/proc/self/cmdline").read_bytes()[:1000]
    assert os.fsencode(command_line(probe, os.getpid(), started)) == whole


def test_another_run_of_a_pid_has_ended(probe: Probe) -> None:
    with pytest.raises(SourceError) as raised:
        command_line(probe, os.getpid(), 1)
    assert raised.value.errno == errno.ESRCH


def test_an_error_names_the_path(probe: Probe) -> None:
    with pytest.raises(SourceError, match="No such file or directory") as raised:
        probe.call("block_device", "/dev/no-such", "/", key="/dev/no-such", path="/dev/no-such", user=0)
    assert (raised.value.errno, raised.value.filename) == (errno.ENOENT, "/dev/no-such")


def test_block_devices_and_flags_of_descriptors(probe: Probe, tmp_path: Path) -> None:
    need_devices()
    with Loop(tmp_path / "disk") as loop:
        number = [loop.major, loop.minor]
        assert probe.call("block_device", loop.path, "/", key=loop.path, path=loop.path, user=0)[0] == number
        opened = [os.open(loop.path, os.O_RDONLY), os.open(loop.path, os.O_PATH), os.open("/dev/null", os.O_RDWR)]
        try:
            found, _ = probe.call(
                "descriptors", "/proc", os.getpid(), None, [*opened, 999], key=(1, 1), path="", user=0
            )
        finally:
            for descriptor in opened:
                os.close(descriptor)
    assert sorted(found, key=int) == [str(descriptor) for descriptor in opened]
    reading, path, null = (found[str(descriptor)] for descriptor in opened)
    assert reading[:2] == [None, number]
    assert path[1] == number
    assert null[1] is None
    assert not reading[2] & os.O_ACCMODE
    assert path[2] & os.O_PATH
    assert null[2] & os.O_ACCMODE == os.O_RDWR


def test_a_connection_is_only_made_to_the_expected_socket(probe: Probe, tmp_path: Path) -> None:
    (tmp_path / "root/run").mkdir(parents=True)
    (tmp_path / "root/link").symlink_to("/run/../../../run/socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "root/run/socket"))
        listener.listen(1)
        listener.setblocking(False)
        inode = (tmp_path / "root/run/socket").stat().st_ino & 0xFFFFFFFF
        with pytest.raises(SourceError) as raised:
            probe.call("connect", "/link", str(tmp_path / "root"), [inode + 1], key="a", path="", user=0)
        assert raised.value.errno == errno.ESTALE
        with pytest.raises(BlockingIOError):
            listener.accept()
        _, connection = probe.call("connect", "/link", str(tmp_path / "root"), [inode], key="a", path="", user=0)
        assert connection is not None
        with connection, listener.accept()[0] as accepted:
            accepted.send(b"x")
            until(lambda: connection.recv(1) == b"x")


def test_no_file_is_opened_to_see_what_it_is(probe: Probe, tmp_path: Path) -> None:
    """Opening a FIFO for reading would let its writer go on."""
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(SourceError) as raised:
        probe.call("connect", "/fifo", str(tmp_path), None, key="a", path="", user=0)
    assert raised.value.errno == errno.ENOTSOCK
    assert probe.call("block_device", "fifo", str(tmp_path), key="b", path="", user=0)[0] is None
    with pytest.raises(OSError) as nobody:  # noqa: PT011
        os.open(tmp_path / "fifo", os.O_WRONLY | os.O_NONBLOCK)
    assert nobody.value.errno == errno.ENXIO


def test_what_hangs_is_given_up_and_left_alone(hanging: Probe) -> None:
    with pytest.raises(ProbeTimeout, match=r"has not answered in 0\.3 s"):
        command_line(hanging, 1, 1)
    begun = time.monotonic()
    with pytest.raises(ProbeTimeout, match="left alone, since it has hung before"):
        command_line(hanging, 1, 1)
    assert time.monotonic() - begun < hanging._deadline
    assert list(hanging._hung) == [(1, 1)]
    hanging.forget(lambda pid, started: (pid, started) != (1, 1))
    assert list(hanging._hung) == [(1, 1)]
    hanging.forget(lambda pid, started: (pid, started) == (1, 1))
    assert hanging._hung == {}


def test_helpers_that_hang_are_bounded(hanging: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process in uninterruptible sleep does not die of SIGKILL."""
    killed: list[int] = []
    kill = os.kill
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append(pid))
    for pid in range(1, MOST_STUCK + 1):
        with pytest.raises(ProbeTimeout, match="has not answered"):
            command_line(hanging, pid, 1)
    with pytest.raises(ProbeTimeout, match=f"{MOST_STUCK} helper processes hang"):
        command_line(hanging, 99, 1)
    assert len(killed) == MOST_STUCK
    kill(killed[0], signal.SIGKILL)
    os.waitid(os.P_PID, killed[0], os.WEXITED | os.WNOWAIT)
    with pytest.raises(ProbeTimeout, match="has not answered"):
        command_line(hanging, 100, 1)
    for pid in killed[1:]:
        kill(pid, signal.SIGKILL)


def test_one_user_does_not_keep_others_from_being_probed(hanging: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "kill", lambda pid, number: None)
        for pid in range(1, MOST_STUCK_BY_A_USER + 1):
            with pytest.raises(ProbeTimeout, match="has not answered"):
                command_line(hanging, pid, 1, user=1000)
        with pytest.raises(ProbeTimeout, match="user 1000 has made 2 helper processes hang"):
            command_line(hanging, 98, 1, user=1000)
        with pytest.raises(ProbeTimeout, match="has not answered"):
            command_line(hanging, 99, 1, user=1001)
    for server, _ in hanging._stuck:
        os.kill(server.pid, signal.SIGKILL)


def test_one_user_cannot_make_call_after_call_hang(hanging: Probe) -> None:
    """A helper that waits for a lock dies when killed, so that none is stuck: but each call takes its deadline."""
    for pid in range(1, MOST_HANGS_BY_A_USER + 1):
        with pytest.raises(ProbeTimeout, match="has not answered"):
            command_line(hanging, pid, 1, user=1000)
        os.waitid(os.P_PID, hanging._stuck[-1][0].pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(ProbeTimeout, match=f"user 1000 has made {MOST_HANGS_BY_A_USER} calls hang within a minute"):
        command_line(hanging, 98, 1, user=1000)
    with pytest.raises(ProbeTimeout, match="has not answered"):
        command_line(hanging, 99, 1, user=1001)


def test_a_helper_that_dies_is_replaced(probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        (tmp_path / "server.py").write_text(FAILS)
        patch.setattr(pool, "_SERVER", tmp_path / "server.py")
        with pytest.raises(SourceError, match="the helper process that probes it has failed"):
            command_line(probe, os.getpid(), None)
    assert command_line(probe, os.getpid(), None)


def test_a_helper_that_starts_slowly_does_not_hang(
    probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = f"import runpy, time; time.sleep(0.6); runpy.run_path({str(pool._SERVER)!r}, run_name='__main__')"
    (tmp_path / "server.py").write_text(late)
    monkeypatch.setattr(pool, "_SERVER", tmp_path / "server.py")
    assert probe._deadline < 0.6
    assert command_line(probe, os.getpid(), None)


def test_a_program_ends_while_a_helper_hangs(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text(HANGS)
    program = (
        "import os, pathlib, sys; from vmiostat.system.probe import pool\n"
        "pool._SERVER = pathlib.Path(sys.argv[1]); os.kill = lambda *_: print('not killed', flush=True)\n"
        "try: pool.Probe(deadline=0.2).call('block_device', '/', '/', key='/', path='/', user=0)\n"
        "except pool.ProbeTimeout: print('hangs', flush=True)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "server.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "not killed\nhangs\n", "")
