"""The machine's disks, by their serial numbers: the kernel names those of NVMe in whatever order they come."""

from pathlib import Path


def disks(serial: str) -> list[str]:
    """The names of a disk, or of both its paths: "virtio", "scsi", "nvme", or "nvme-shared" with two controllers."""
    return sorted(disk.name for disk in Path("/sys/block").iterdir() if _serial(disk) == serial)


def _serial(disk: Path) -> str | None:
    if (disk / "hidden").read_text() == "1\n":  # a path to an NVMe disk, which has a name of its own
        return None
    for file in ("serial", "device/serial", "device/vpd_pg80"):  # virtio, NVMe, SCSI
        if (disk / file).exists():
            # SCSI's page has a header of four bytes.
            return (disk / file).read_bytes()[4 if file.endswith("80") else 0 :].decode().strip()
    return None
