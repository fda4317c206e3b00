"""A machine's initramfs: the modules with which it sees its root, and what it is to do. It takes no time to make."""

import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

from lab import initramfs, kernel
from lab.kernels.images import Images
from lab.kernels.packages import FIRST_MODULES, MODULES
from lab.kernels.place import Place

PROJECT = Path(__file__).parents[2]

_GUEST = Path(__file__).parent / "guest_files"
_BUSYBOX = Path("/bin/busybox")
_HIDDEN = tuple(Path(folder) for folder in ("/tmp", "/run", "/dev/shm"))
"""Folders that are a machine's own."""


def write(path: Path, place: Place, images: Images) -> None:
    """Writes it. Raises LabError."""
    needed = (PROJECT, Path(sys.prefix), Path(sys.base_prefix), place.wheel)
    shown = [folder for folder in needed if any(folder.is_relative_to(hidden) for hidden in _HIDDEN)]
    closed = {parent for folder in needed for parent in folder.parents if not parent.stat().st_mode & 0o001}
    settings = {
        "kernel": path.parent.name,
        "modules": str(images.modules / "lib/modules"),
        "later": " ".join(MODULES),
        "shown": _lines(shown),
        "opened": _lines(closed),
        "python": sys.executable,
        "agent": str(_GUEST / "agent.py"),
    }
    files = {
        "init": (_GUEST / "init.sh").read_bytes(),
        "settings": "".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items()).encode(),
        "bin/busybox": _BUSYBOX.read_bytes(),
        **kernel.modules_to_load(images.modules, FIRST_MODULES),
    }
    initramfs.write(path, files)


def _lines(paths: Iterable[Path]) -> str:
    return "\n".join(map(str, sorted(paths)))
