"""What an unprivileged user can do to a root-run scan: nothing of what a process says of itself is believed."""

import os
import re
import resource
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from testkit.real.devices import Loop
from testkit.real.needs import need_devices, need_program, skip
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


@pytest.fixture(autouse=True)
def root() -> None:
    if os.geteuid():
        skip("an attack on root needs root")


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


@pytest.fixture
def everybodys() -> Iterator[Path]:
    """A folder that the unprivileged user may enter: pytest's own are root's alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


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


def _process(pid: int, host: Host) -> Process:
    found = running_process(pid, host.roots)
    assert found is not None
    return found


def test_root_opens_no_file_that_a_command_line_names(tmp_path: Path) -> None:
    """Opening the node of a watchdog would start it. Here its place is taken by a FIFO."""
    need_program("strace")
    named = [tmp_path / "a", tmp_path / "b", tmp_path / "c"]
    named[0].mkdir()
    os.mkfifo(named[1])
    named[2].write_text("x")
    words = [f"string={path}/x" for path in named]
    options = [word for text in words for word in ("-fw_cfg", f"name=opt/{len(text)}{text[-3]},{text}")]
    qmp = ["-name", f"a,process=-qmp unix:{named[1]}/x"]
    with qemu(*options, *qmp) as pid:
        program = "import vmiostat; host = vmiostat.Host(); poller = host.poller(qemu_interval='on demand'); "
        program += "poller.query(5.0); print([d.process.pid for d in poller.domains if d.process])"
        log = tmp_path / "strace"
        command = ["strace", "-f", "-qq", "-e", "trace=open,openat,openat2", "-o", str(log), sys.executable, "-c"]
        done = subprocess.run([*command, program], capture_output=True, text=True, timeout=60, check=False)
        if "ptrace" in done.stderr:
            skip("may not trace")
        assert str(pid) in done.stdout, done.stderr
    opened = [line for line in log.read_text().splitlines() if any(str(path) in line for path in named)]
    assert [line for line in opened if "O_PATH" not in line] == []


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
