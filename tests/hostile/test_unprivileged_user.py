"""What an unprivileged user can do to a root-run scan: nothing of what a process says of itself is believed."""

import os
import re
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from testkit.real.devices import Loop
from testkit.real.needs import need_devices, need_program
from testkit.real.plain_qemu import QEMU
from testkit.targets import targets
from testkit.until import until
from vmiostat import Domain, Host, Roots
from vmiostat.discovery.running_process import running_process
from vmiostat.discovery.scan import Discovery
from vmiostat.errors import SourceError
from vmiostat.model import Process
from vmiostat.qemu_stats.client import QueryError
from vmiostat.qemu_stats.qmp_connection import QmpSocket
from vmiostat.system.processes import user

NOBODY = 65534

pytestmark = pytest.mark.usefixtures("root")


@contextmanager
def started(*command: str | Path, name: str | None = None) -> Iterator[int]:
    """A process of the unprivileged user; the value is its pid."""
    pipe = subprocess.PIPE
    words = [name or command[0], *command[1:]]
    with subprocess.Popen(
        words, executable=command[0], user=NOBODY, group=NOBODY, extra_groups=[], stdin=pipe, stdout=pipe
    ) as process:
        try:
            yield process.pid
        finally:
            process.kill()


@contextmanager
def qemu(*words: str) -> Iterator[int]:
    """A real QEMU, which is a VMM of this host, and whose user may name whatever it likes."""
    need_program(QEMU)
    with started(f"/usr/bin/{QEMU}", "-m", "16", "-nodefaults", "-display", "none", "-S", *words) as pid:
        yield pid


def of(pid: int, domains: Sequence[Domain]) -> list[Domain]:
    return [domain for domain in domains if domain.process is not None and domain.process.pid == pid]


def test_a_command_line_makes_no_virtual_machine() -> None:
    with started("/bin/cat", "-name", name=QEMU) as pid:
        assert of(pid, Host().domains()) == []


def test_a_program_called_like_a_vmm_is_shown_as_unverified(everybodys: Path) -> None:
    script = everybodys / QEMU
    script.write_text("#!/bin/sh\nread line\n")
    script.chmod(0o755)
    with started(script, "-name", "web1", "-drive", "file=/dev/loop0") as pid:
        until(lambda: Path(f"/proc/{pid}/comm").read_text().startswith("qemu-system"))
        host = Host()
        domains = host.domains()
        (found,) = of(pid, domains)
        assert (found.name, found.verified, found.disks, found.interfaces) == (f"unverified pid {pid}", False, (), ())
        assert any("run no VMM that is installed" in str(problem) for problem in host.problems)
        if not any(domain.verified and domain.type != "host" for domain in domains):
            assert "host" in [domain.name for domain in domains], "a stranger must not hide the host's own devices"


def test_a_disk_that_is_only_named_is_not_counted(tmp_path: Path) -> None:
    need_devices()
    with Loop(tmp_path / "disk") as loop, qemu("-blockdev", "driver=null-co,node-name=a") as pid:
        # QEMU would refuse to start with a disk that it cannot open: the name alone is in its command line.
        with qemu("-name", f"file={loop.path}", "-fw_cfg", f"name=opt/a,string=file={loop.path}") as named:
            found = [*of(pid, Host().domains()), *of(named, Host().domains())]
            sources = [disk.counter_source for domain in found for disk in domain.disks]
        assert found
        assert f"block device {loop.major}:{loop.minor}" not in map(str, sources)
        assert "loop" not in " ".join(targets([disk for domain in found for disk in domain.disks]))


def test_the_socket_of_another_process_is_not_connected_to(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listener, started("/bin/cat") as pid:
        listener.bind(str(path))
        listener.listen(1)
        listener.setblocking(False)
        host = Host()
        with pytest.raises(QueryError, match=f"process {pid}\\) does not listen on the socket"):
            QmpSocket(str(path), _process(pid, host), NOBODY, host.roots).connect()
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.parametrize("other", [NOBODY, NOBODY - 1])
def test_the_socket_of_an_ended_qemu_is_not_connected_to(everybodys: Path, other: int) -> None:
    """Whoever listens there now, be it the same user."""
    everybodys.chmod(0o777)
    path, host = everybodys / "qmp", Host()
    with qemu("-qmp", f"unix:{path},server=on,wait=off") as pid:
        process = _process(pid, host)
        expected = QmpSocket(str(path), process, NOBODY, host.roots)
        until(lambda: is_connected_to(expected))
    until(lambda: running_process(pid, host.roots) != process)
    path.unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        os.chown(path, other, other)
        listener.listen(1)
        listener.setblocking(False)
        with pytest.raises(QueryError, match=f"its QEMU \\(process {pid}\\) has ended"):
            expected.connect()
        with pytest.raises(BlockingIOError):
            listener.accept()


def is_connected_to(expected: QmpSocket) -> bool:
    """QEMU makes the file of its socket before it listens."""
    try:
        expected.connect().socket.close()
    except QueryError:
        return False
    return True


def runs_a_guest(pid: int) -> bool:
    """Whether QEMU has made its virtual CPU."""
    return any("CPU 0" in (task / "comm").read_text() for task in Path(f"/proc/{pid}/task").iterdir())


@pytest.mark.parametrize("wait", [",wait=on", ""])
def test_a_qemu_that_waits_for_a_client_is_not_started(everybodys: Path, wait: str) -> None:
    everybodys.chmod(0o777)
    path = everybodys / "qmp"
    machine = "-name waits,debug-threads=on -machine pc -drive if=none,id=d0,file=null-co://,format=raw"
    words = f"{machine} -device virtio-blk-pci,drive=d0 -qmp unix:{path},server=on{wait}"
    with qemu(*words.split()) as pid:
        until(path.exists)
        host = Host()
        with host.poller(of(pid, host.domains()), qemu_interval="on demand", block_source="qemu") as poller:
            assert poller.block_rows
            poller.query(5.0)
            assert "no QMP socket for other clients" in str(poller.problem("block", 0))
        assert not runs_a_guest(pid)
        with socket.socket(socket.AF_UNIX) as client:  # what a connection of ours would have done
            client.connect(str(path))
            until(lambda: runs_a_guest(pid))


def _process(pid: int, host: Host) -> Process:
    found = running_process(pid, host.roots)
    assert found is not None
    return found


def test_a_scan_without_descriptors_loses_no_domain() -> None:
    with qemu() as pid:
        discovery = Discovery(Host().roots)
        assert of(pid, discovery.scan().domains)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        highest = max(int(one.name) for one in Path("/proc/self/fd").iterdir())
        full = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 2, hard))
        try:
            while True:
                try:
                    full.append(os.open("/dev/null", os.O_RDONLY))
                except OSError:
                    break
            for room in range(6):
                resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 2 + room, hard))
                with suppress(SourceError):  # a scan that fails changes nothing
                    assert of(pid, discovery.scan().domains), f"lost with room for {room} descriptors"
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for descriptor in full:
                os.close(descriptor)
        assert of(pid, discovery.scan().domains)


def test_a_process_has_the_user_that_started_it() -> None:
    with started("/bin/cat") as pid:
        assert (user(pid, Roots()), user(os.getpid(), Roots())) == (NOBODY, 0)


def test_a_process_whose_main_thread_has_ended_is_still_there() -> None:
    program = (
        "import threading, time, ctypes\n"
        "threading.Thread(target=time.sleep, args=(60,)).start()\n"
        "print('x', flush=True); ctypes.CDLL(None).syscall(60, 0)\n"
    )
    with subprocess.Popen([sys.executable, "-IS", "-c", program], stdout=subprocess.PIPE) as process:
        pid = process.pid
        until(lambda: re.search(r"\) Z ", Path(f"/proc/{pid}/stat").read_text()))
        assert _process(pid, Host()).pid == pid
        process.kill()
