"""A guest's kernel: Debian's package, unpacked and not installed, and what of its modules goes into an initramfs."""

from collections.abc import Iterable
from pathlib import Path

from lab.command import LabError, run
from lab.packages import only, unpack


def take(package: str, folder: Path) -> None:
    """Unpacks the newest kernel, which is what Debian's package linux-image-... depends on. Raises LabError."""
    depends = run("apt-cache", "depends", package)
    newest = next((line.split()[-1] for line in depends.splitlines() if "Depends: linux-image" in line), None)
    if newest is None:
        raise LabError(f"apt knows no kernel that {package} depends on: {depends!r}")
    unpack(newest, folder)
    run("depmod", "-b", folder, version(folder))


def image(folder: Path) -> Path:
    """The kernel itself."""
    return only(folder / "boot", "vmlinuz-*")


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
    files = modules(folder, names)
    order = "\n".join(file.name for file in files)
    return {f"modules/{file.name}": file.read_bytes() for file in files} | {"modules/order": order.encode()}
