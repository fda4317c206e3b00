"""A daemon that never answers does not keep a process from ending or being interrupted."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = """
import sys
from testkit.fakes.libvirt import Libvirt, uuid
from vmiostat import Host

libvirt = sys.modules["libvirt"] = Libvirt()
libvirt.daemon.start(1, "web1")
libvirt.daemon.start(2, "db1")
libvirt.daemon.stuck = set(sys.argv[2].split())
from vmiostat.discovery.libvirt.connection import LibvirtConnection

host = Host(sys.argv[1], libvirt=LibvirtConnection("qemu:///system", deadline=float(sys.argv[3])))
watch = host.watch()
print("scanning", flush=True)
print(*(domain.name for domain in host.domains()), flush=True)
"""
ROOT = Path(__file__).parents[2]


def started(root: Path, stuck: str, deadline: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, str(root), stuck, str(deadline)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    for folder in ("proc", "sys", "run"):
        (tmp_path / folder).mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("stuck", "seen"),
    [
        ("open", "host"),
        ("list", "host"),
        ("00000000-0000-0000-0000-000000000001", "db1"),
        ("close", "web1 db1"),
    ],
)
def test_the_process_ends(machine: Path, stuck: str, seen: str) -> None:
    process = started(machine, stuck, 0.5)
    output, errors = process.communicate(timeout=30)  # it would hang for ever
    assert (output.split("\n"), errors, process.returncode) == (["scanning", seen, ""], "", 0)


def test_ctrl_c_ends_a_scan(machine: Path) -> None:
    process = started(machine, "list", 60)
    assert process.stdout is not None
    assert process.stdout.readline() == "scanning\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=40)  # its deadline is 60 seconds
    assert errors.strip().endswith("KeyboardInterrupt")
