"""The wheel runs under this kernel: the command, and what it says of this machine."""

import csv
import io
import json
import os
import subprocess
from pathlib import Path

import vmiostat

COMMAND = Path(vmiostat.__file__).parents[1] / "bin/vmiostat"


def said(*arguments: str) -> str:
    """What the installed command prints; it must not complain."""
    done = subprocess.run([COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_it_is_the_wheel_that_is_tested() -> None:
    project = Path(__file__).parents[2]
    assert not Path(vmiostat.__file__).is_relative_to(project)
    assert COMMAND.exists()


def test_the_kernel_is_the_one_that_was_booted() -> None:
    version = tuple(int(part) for part in os.uname().release.split(".")[:2])
    wanted = os.environ["VMIOSTAT_KERNEL"]
    if wanted == "newest":
        assert version > (6, 12)
    else:
        assert version == tuple(int(part) for part in wanted.split("."))


def test_version() -> None:
    assert said("--version") == f"vmiostat {vmiostat.__version__}\n"


def test_devices() -> None:
    devices = json.loads(said("devices", "--json"))
    assert devices


def test_report() -> None:
    rows = list(csv.DictReader(io.StringIO(said("--csv", "1", "2"))))
    assert rows
