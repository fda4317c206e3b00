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


def test_a_thread_of_the_kernel_runs_no_vmm() -> None:
    if not sees_every_process(Roots()):
        skip("needs the machine's own /proc")
    assert verdict(2) is Verdict.OTHER


def test_a_file_of_that_name_elsewhere_is_unverified(program: Path) -> None:
    with running(program) as pid:
        assert verdict(pid) is Verdict.UNVERIFIED


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
