"""The wheel under this kernel: the command, the devices that it finds, and what it counts."""

import csv
import io
import json
import os
import subprocess
from pathlib import Path

import vmiostat
from tests.kernels.disks import disks

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


def all_disks() -> set[str]:
    return {disk for serial in ("virtio", "scsi", "nvme", "nvme-shared") for disk in disks(serial)}


def test_devices() -> None:
    (host,) = map(json.loads, said("devices", "--json").splitlines())
    assert host["domain"] == "host"
    assert {disk["device"] for disk in host["block"]} == all_disks()
    assert {interface["device"] for interface in host["interface"]} == {"lo"}
    states = {device["device"]: device["state"] for device in host["block"] + host["interface"]}
    if os.environ["VMIOSTAT_KERNEL"] == "6.1":  # counts a disk of several NVMe controllers at its paths only
        (shared,) = disks("nvme-shared")
        assert states.pop(shared) == "unsupported"
    assert set(states.values()) == {"ok"}


def test_report() -> None:
    """Two reports differ by what was read from a disk between them."""
    (disk,) = disks("virtio")
    before = rows(said("--csv"))["host", disk]
    subprocess.run(["dd", f"if=/dev/{disk}", "of=/dev/null", "bs=64k", "count=5", "iflag=direct"], check=True)
    after = rows(said("--csv"))
    assert {device for _, device in after} == all_disks() | {"lo"}
    read = after["host", disk]
    assert int(read["rd_req"]) - int(before["rd_req"]) == 5
    assert int(read["rd_bytes"]) - int(before["rd_bytes"]) == 5 << 16
    assert read["wr_bytes"] == before["wr_bytes"]


def rows(report: str) -> dict[tuple[str, str], dict[str, str]]:
    """A CSV report's, by domain and device."""
    return {(row["domain"], row["device"]): row for row in csv.DictReader(io.StringIO(report))}
