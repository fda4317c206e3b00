"""The rich guest's system: the kernel of Debian's package, unpacked and not installed, and an initramfs of busybox."""

import os
import shutil
from pathlib import Path

from lab import initramfs
from lab import kernel as guest_kernel
from lab.kvm.place import Place

# The kernel for virtual machines is a third of the other one's size, and has every driver that is needed here.
_PACKAGE = "linux-image-cloud-amd64"
_MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "virtio_scsi", "ata_piix", "sd_mod", "sr_mod")
_HERE = Path(__file__).parent


def kernel(place: Place) -> Path:
    return place.cache / "vmlinuz"


def initial_files(place: Place) -> Path:
    return place.cache / "initramfs.gz"


def make(place: Place) -> None:
    """Makes both, unless they are there and newer than what they are made of. Raises LabError."""
    place.cache.mkdir(exist_ok=True)
    unpacked = place.cache / "kernel"
    if not kernel(place).exists():
        shutil.rmtree(unpacked, ignore_errors=True)
        guest_kernel.take(_PACKAGE, unpacked)
        os.link(guest_kernel.image(unpacked), kernel(place))
    made_of = [_HERE / "guest_files/init.sh", _HERE / "guest_files/busy.sh", Path(__file__), kernel(place)]
    made = initial_files(place)
    if made.exists() and made.stat().st_mtime > max(file.stat().st_mtime for file in made_of):
        return
    unfinished = made.with_suffix(".new")
    initramfs.write(unfinished, _files(unpacked))
    unfinished.replace(made)


def _files(unpacked: Path) -> dict[str, bytes]:
    return {
        "init": (_HERE / "guest_files/init.sh").read_bytes(),
        "bin/busy": (_HERE / "guest_files/busy.sh").read_bytes(),
        "bin/busybox": Path("/bin/busybox").read_bytes(),
        **guest_kernel.modules_to_load(unpacked, _MODULES),
    }
