"""The two initramfs: dom0's, with all that the lab brings along, and in it the guests'. They take no time to make."""

from pathlib import Path

from lab import initramfs, kernel
from lab.xen.images import Images
from lab.xen.packages import FIRST_MODULES, GUEST_MODULES

_DOM0 = Path(__file__).parent / "dom0_files"
_GUEST = Path(__file__).parent / "guest_files"
_BUSYBOX = Path("/bin/busybox")


def write(path: Path, images: Images, scratch: Path) -> None:
    """Writes dom0's. Raises LabError."""
    guests = scratch / "guest.cpio.gz"
    initramfs.write(guests, _files(_GUEST / "init.sh", images, GUEST_MODULES))
    brought = (_DOM0 / "init.sh", _DOM0 / "console.py", *_GUEST.glob("*.cfg"), *_GUEST.glob("*.xml"), guests)
    files = _files(_DOM0 / "first_init.sh", images, FIRST_MODULES)
    initramfs.write(path, files | {f"lab/{file.name}": file.read_bytes() for file in brought})
    guests.unlink()


def _files(init: Path, images: Images, modules: tuple[str, ...]) -> dict[str, bytes]:
    return {
        "init": init.read_bytes(),
        "bin/busybox": _BUSYBOX.read_bytes(),
        **kernel.modules_to_load(images.modules, modules),
    }
