"""Which processes run a VMM of this host: real processes, real files."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testkit.real.needs import skip
from vmiostat import Roots
from vmiostat.system import vmm_executable
from vmiostat.system.probe import pool
from vmiostat.system.processes import sees_every_process
from vmiostat.system.vmm_executable import Verdict, VmmExecutables


@pytest.fixture(autouse=True)
def root() -> None:
    if os.geteuid():
        skip("files of root's are made")


@contextmanager
def running(path: Path | str, name: str = "cat") -> Iterator[int]:
    """A program that waits, with this name in its command line; the value is its pid."""
    with subprocess.Popen([name], executable=path, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        yield process.pid
        assert process.stdin is not None
        process.stdin.close()


def verdict(pid: int, *listed: Path) -> Verdict:
    return VmmExecutables(Roots(), map(str, listed)).verdict(pid)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A copy of cat under a VMM's name."""
    return Path(shutil.copy("/bin/cat", tmp_path / "qemu-system-x86_64"))


def test_a_command_line_proves_nothing() -> None:
    with running("/bin/cat", "qemu-system-x86_64") as pid:
        assert verdict(pid) is Verdict.OTHER


@pytest.mark.alone  # among processes of its own, a worker sees none of the kernel's
def test_a_thread_of_the_kernel_runs_no_vmm() -> None:
    if not sees_every_process(Roots()):
        skip("needs the machine's own /proc")
    assert verdict(2) is Verdict.OTHER


@pytest.mark.parametrize("name", ["firecracker-containerd", "cloud-hypervisor-exporter"])
def test_another_program_is_none_although_its_name_begins_like_a_vmm_s(name: str, tmp_path: Path) -> None:
    with running(shutil.copy("/bin/cat", tmp_path / name)) as pid:
        assert verdict(pid) is Verdict.OTHER


def test_a_script_that_is_called_like_a_vmm_is_unverified(tmp_path: Path) -> None:
    """Its executable is Python's: only the name that it gives itself is a VMM's."""
    script = tmp_path / "cloud-hypervisor"
    script.write_text(f"#!{sys.executable}\nprint(flush=True); input()\n")
    script.chmod(0o755)
    with subprocess.Popen([script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert verdict(process.pid) is Verdict.UNVERIFIED
        process.communicate(b"\n")


def test_a_file_of_that_name_elsewhere_is_unverified(program: Path) -> None:
    with running(program) as pid:
        assert verdict(pid) is Verdict.UNVERIFIED


def test_an_installed_vmm_is_one_by_any_path(program: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / program.name
    link.hardlink_to(program)
    with running(link) as pid:
        assert verdict(pid, program) is Verdict.VMM


def test_one_on_a_hung_file_server_is_unverified(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "server.py").write_text(
        "import socket, time; end = socket.socket(fileno=0); end.send(b'x'); time.sleep(30)"
    )
    monkeypatch.setattr(pool, "_SERVER", tmp_path / "server.py")
    probe = pool.Probe(deadline=0.2)
    monkeypatch.setattr(vmm_executable, "PROBE", probe)
    with running(program) as pid:
        assert verdict(pid) is Verdict.UNVERIFIED
        assert len(probe._hung) == 1
        assert verdict(pid, program) is Verdict.VMM  # installed: not the helper's to find out
    probe.close()


def test_a_script_of_that_name_is_unverified(tmp_path: Path) -> None:
    script = tmp_path / "qemu-system-x86_64"
    script.write_text(f"#!{sys.executable}\nprint(flush=True); input()\n")
    script.chmod(0o755)
    with subprocess.Popen([script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert verdict(process.pid) is Verdict.UNVERIFIED
        process.communicate(b"\n")


@pytest.mark.parametrize("pattern", ["qemu-system-x86_64", "qemu-*"])
def test_a_listed_file_is_trusted(program: Path, pattern: str) -> None:
    with running(program) as pid:
        assert verdict(pid, program.with_name(pattern)) is Verdict.VMM


def test_a_link_that_is_listed_is_trusted(program: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(program)
    with running(program) as pid:
        assert verdict(pid, tmp_path / "link") is Verdict.VMM


@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_a_file_that_others_may_write_is_not_trusted(program: Path, mode: int) -> None:
    program.chmod(mode)
    with running(program) as pid:
        assert verdict(pid, program) is Verdict.UNVERIFIED


def test_a_file_of_another_owner_is_not_trusted(program: Path) -> None:
    os.chown(program, 65534, 65534)
    with running(program) as pid:
        assert verdict(pid, program) is Verdict.UNVERIFIED


def test_an_upgraded_program_goes_on_being_trusted(program: Path) -> None:
    with running(program) as pid:
        program.unlink()
        shutil.copy("/bin/cat", program)
        assert verdict(pid, program) is Verdict.VMM
        assert verdict(pid) is Verdict.UNVERIFIED


def test_a_file_over_another_in_a_mount_namespace_is_not_trusted(program: Path, tmp_path: Path) -> None:
    """Its path is the VMM's there, and it is another file."""
    other = Path(shutil.copy("/bin/cat", tmp_path / "other"))
    command = ["unshare", "-m", "sh", "-c", f"mount --bind {other} {program} && exec {program}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"ready\n")
        process.stdin.flush()
        if process.stdout.readline() != b"ready\n":
            skip("may not make namespaces")
        assert Path(f"/proc/{process.pid}/exe").readlink() == program
        assert verdict(process.pid, program) is Verdict.UNVERIFIED
        process.stdin.close()


def test_a_user_namespace_is_not_trusted(program: Path) -> None:
    command = ["unshare", "-U", str(program)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"ready\n")
        process.stdin.flush()
        if process.stdout.readline() != b"ready\n":
            skip("may not make namespaces")
        assert verdict(process.pid, program) is Verdict.UNVERIFIED
        process.stdin.close()
