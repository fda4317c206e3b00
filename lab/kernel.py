"""A guest's kernel: Debian's package, unpacked and not installed, and what of its modules goes into an initramfs."""

import lzma
from collections.abc import Iterable
from pathlib import Path

from lab.command import LabError, run
from lab.packages import only, unpack


def take(package: str, folder: Path, *apt_options: str) -> None:
    """Unpacks the newest kernel, which is what Debian's package linux-image-... depends on. Raises LabError."""
    newest = next((name for name in _depends(package, apt_options) if name.startswith("linux-image-")), None)
    if newest is None:
        raise LabError(f"apt knows no kernel that {package} depends on")
    unpack(newest, folder, *apt_options)
    # Since Debian's 7.0 a kernel is in several packages (linux-binary-VERSION, linux-modules-VERSION), below /usr.
    for part in _depends(newest, apt_options):
        if part.endswith(newest.removeprefix("linux-image-")):
            unpack(part, folder, *apt_options)
    if not (folder / "lib/modules").exists():
        (folder / "lib").symlink_to("usr/lib")
    run("depmod", "-b", folder, version(folder))


def _depends(package: str, apt_options: Iterable[str]) -> list[str]:
    lines = run("apt-cache", *apt_options, "depends", package).splitlines()
    return [line.split()[-1] for line in lines if line.strip().startswith("Depends:")]


def image(folder: Path) -> Path:
    """The kernel itself."""
    inside = folder / "lib/modules" / version(folder) / "vmlinuz"
    return inside if inside.exists() else only(folder / "boot", "vmlinuz-*")


def version(folder: Path) -> str:
    return only(folder / "lib/modules", "*").name


def modules(folder: Path, names: Iterable[str]) -> list[Path]:
    """The files of these modules and of those that they need, in the order to load them in. Raises LabError."""
    files: dict[Path, None] = {}
    for name in names:
        needed = run("modprobe", "-d", folder, "-S", version(folder), "--show-depends", name)
        for line in needed.splitlines():  # "insmod FILE", or "builtin NAME" for what is in the kernel itself
            verb, _, rest = line.strip().partition(" ")
            if verb == "insmod":
                files[Path(rest.split()[0])] = None
    return list(files)


def modules_to_load(folder: Path, names: Iterable[str]) -> dict[str, bytes]:
    """An initramfs' folder `modules`: the files, and in `order` their names. Raises LabError."""
    files = {file.name.removesuffix(".xz"): _unpacked(file) for file in modules(folder, names)}
    return {f"modules/{name}": data for name, data in files.items()} | {"modules/order": "\n".join(files).encode()}


def _unpacked(module: Path) -> bytes:
    data = module.read_bytes()
    return lzma.decompress(data) if module.suffix == ".xz" else data
