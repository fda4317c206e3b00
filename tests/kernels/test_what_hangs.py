"""What users make hang, hangs only their own rows: scans and reports go on, and the command ends at once."""

import os
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.kernels.disks import disks
from tests.kernels.hanging_fuse import HangingFuse, Operation, hanging_fuse
from tests.kernels.reports import QUERIED, children, once, reported, reporting, rows, usual_end
from tests.kernels.test_watchdog import DISK
from tests.kernels.vmms import listed, qemu

pytestmark = pytest.mark.timeout(220)

MALLORY, TRUDY, EVE, ALICE = 4001, 4002, 4003, 4004
HONEST = {"web1 disk0": "ok", "web1 total": "ok"}
SOON = 10.0
"""Seconds. What does not hang takes a tenth of one, and a lot more on a busy host whose QEMU translates the machine."""

COVER = """
import ctypes
fields = open("/proc/self/stat").read().rpartition(")")[2].split()
page = (int(fields[45]) + 12288) & ~4095
assert page + 4096 < int(fields[46])
map = ctypes.CDLL(None).mmap
map.restype = ctypes.c_void_p
map.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
assert map(page, 4096, 3, 0x12, {}, 0) == page
"""
"""A page of the process's own arguments becomes one of the file: who reads its command line waits for that, and holds
the mmap lock."""


@pytest.fixture
def hanging() -> Iterator[HangingFuse]:
    """In /dev/shm, so that a descriptor of it looks like one of a device."""
    folder = Path("/dev/shm/hanging")
    with hanging_fuse(folder, Operation.LOOKUP, Operation.GETATTR, Operation.READ) as found:
        yield found
    shutil.rmtree(folder)


@pytest.fixture
def usual() -> float:
    """Seconds that the command takes to end while nothing hangs."""
    return usual_end(signal.SIGINT)


@pytest.fixture
def attackers(hanging: HangingFuse) -> Iterator[None]:
    """Their pids are lower than those of honest machines, and are scanned first."""
    with ExitStack() as running:
        running.enter_context(listed())
        listener = running.enter_context(socket.socket(socket.AF_UNIX))  # so that a QMP socket may be theirs
        listener.bind("/run/hanging.socket")
        running.callback(os.unlink, "/run/hanging.socket")
        listener.listen()
        file = hanging.copy(hanging.overlay)
        covered = ("-fw_cfg", "x" * 32768)
        running.enter_context(qemu("covered", *covered, user=MALLORY, python=COVER.format(file), files=[file]))
        for number in range(4):
            running.enter_context(qemu(f"file{number}", user=TRUDY, files=[file]))
        for number in range(15):
            words = ("-qmp", "unix:qmp,server=on,wait=off", *DISK)
            folder = Path(f"/proc/{hanging.process.pid}/root/dev/shm/hanging/overlay")
            files = [listener.fileno()]
            running.enter_context(qemu(f"socket{number}", *words, user=EVE, files=files, folder=folder))
        os.close(file)  # closed later it could hang this process
        hanging.hang()
        try:
            yield
        finally:
            hanging.process.kill()  # before the others, which could hang while they end


def test_nothing_but_their_own_rows_hangs(usual: float, attackers: None) -> None:
    (name,) = disks("virtio")
    disk = os.open(f"/dev/{name}", os.O_RDWR)
    honest = ("-drive", f"file=/dev/{name},format=raw,if=none,id=disk0")
    with qemu("web1", *honest, user=ALICE, files=[disk]):
        done = once("--json", *QUERIED)
        assert rows(done.stdout, "web1") == HONEST, done.stderr
        with reporting() as reports:
            reported(lambda: reports.rows("web1") == HONEST)
            first = len(reports.lines)
            reported(lambda: len(reports.lines) >= first + 6)
            before = reports.size
            with qemu("web2", *honest, user=ALICE, files=[disk]):
                reported(lambda: "web2 disk0" in reports.rows("web2"))
            reported(lambda: len(reports.lines) >= first + 15)
            after = reports.size
            assert all(rows(line, "web1") == HONEST for _, line in reports.lines[first:])
            assert reports.longest_wait() < SOON
            for what, most in (("threads", 16), ("files", 80), ("helpers", 10)):
                assert after[what] <= min(most, before[what] + 4), (what, before, after)
            assert "D" in children(reports.pid).values()
            assert reports.end(signal.SIGINT) < usual + 1.0, "a helper process hangs"
    os.close(disk)


def test_a_helper_that_hung_leaves_no_zombie(attackers: None, hanging: HangingFuse) -> None:
    with reporting() as reports:
        reported(lambda: "D" in children(reports.pid).values())
        hanging.process.kill()  # what waits for its file system goes on
        reported(lambda: "D" not in children(reports.pid).values())
        with qemu("web1", user=ALICE):  # a scan finds it
            reported(lambda: reports.rows("web1"))
        reported(lambda: set(children(reports.pid).values()) <= {"S", "R"})
        left = set(children(reports.pid))
        reports.end(signal.SIGINT)
    reported(lambda: not any(Path(f"/proc/{pid}").exists() for pid in left))


def test_a_disk_of_a_definition_on_a_dead_file_server() -> None:
    (name,) = disks("virtio")
    status = Path("/run/libvirt/qemu/web1.xml")
    status.parent.mkdir(parents=True)
    server = Path("/run/server")
    with listed(), hanging_fuse(server, Operation.LOOKUP, user=0) as dead, qemu("web1", user=ALICE) as pid:
        sources = {"vda": f"/dev/{name}", "vdb": f"{server}/fuse/file", "vdc": f"{server}/fuse/other"}
        devices = "".join(
            f"<disk type='block' device='disk'><source dev='{source}'/><target dev='{target}'/></disk>"
            for target, source in sources.items()
        )
        dead.hang()
        status.write_text(
            f"<domstatus state='running' pid='{pid}'><domain type='kvm' id='1'><name>web1</name>"
            f"<devices>{devices}</devices></domain></domstatus>\n"
        )
        try:
            said = once("devices").stdout
            assert f"{server}/fuse/file cannot be opened: it has not answered in 1 s" in said
            with reporting() as reports:
                reported(lambda: reports.rows("web1").get("web1 vda") == "ok")
                states = reports.rows("web1")
                assert (states["web1 vdb"], states["web1 vdc"]) == ("unsupported", "unsupported"), (
                    "nor can QEMU be queried"
                )
                with qemu("web2", *DISK, user=ALICE):  # scans go on
                    reported(lambda: reports.rows("web2"))
                assert reports.longest_wait() < SOON
                assert "D" in children(reports.pid).values()
                assert reports.end(signal.SIGTERM) < SOON
        finally:
            status.unlink()
    shutil.rmtree(server)
