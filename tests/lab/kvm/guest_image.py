"""The rich guest's system: the kernel of Debian's package, unpacked and not installed, and an initramfs of busybox."""

import os
import shutil
from pathlib import Path

from tests.lab.kvm import initramfs
from tests.lab.kvm.command import LabError, run
from tests.lab.kvm.place import Place

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
        _unpack(unpacked)
        os.link(_only(unpacked / "boot", "vmlinuz-*"), kernel(place))
    made_of = [_HERE / "guest_init.sh", _HERE / "guest_busy.sh", Path(__file__), kernel(place)]
    made = initial_files(place)
    if made.exists() and made.stat().st_mtime > max(file.stat().st_mtime for file in made_of):
        return
    unfinished = made.with_suffix(".new")
    initramfs.write(unfinished, _files(unpacked))
    unfinished.replace(made)


def _unpack(folder: Path) -> None:
    folder.mkdir()
    depends = run("apt-cache", "depends", _PACKAGE)
    package = next((line.split()[-1] for line in depends.splitlines() if "Depends: linux-image" in line), None)
    if package is None:
        raise LabError(f"apt knows no kernel that {_PACKAGE} depends on: {depends!r}")
    # apt-get writes into the folder that it runs in.
    run("sh", "-c", 'cd "$1" && apt-get download -q "$2"', "sh", folder, package)
    archive = _only(folder, "*.deb")
    run("dpkg", "--extract", archive, folder)
    archive.unlink()
    run("depmod", "-b", folder, _only(folder / "lib/modules", "*").name)


def _files(unpacked: Path) -> dict[str, bytes]:
    files = {
        "init": (_HERE / "guest_init.sh").read_bytes(),
        "bin/busy": (_HERE / "guest_busy.sh").read_bytes(),
        "bin/busybox": Path("/bin/busybox").read_bytes(),
    }
    version = _only(unpacked / "lib/modules", "*").name
    order: list[str] = []
    for module in _MODULES:
        needed = run("modprobe", "-d", unpacked, "-S", version, "--show-depends", module)
        for line in needed.splitlines():  # "insmod FILE", or "builtin NAME" for what is in the kernel itself
            verb, _, rest = line.strip().partition(" ")
            path = Path(rest.split()[0])
            if verb == "insmod" and path.name not in order:
                order.append(path.name)
                files[f"modules/{path.name}"] = path.read_bytes()
    files["modules/order"] = "\n".join(order).encode()
    return files


def _only(folder: Path, pattern: str) -> Path:
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise LabError(f"{folder} should hold one {pattern}, and holds {len(found)}")
    return found[0]
