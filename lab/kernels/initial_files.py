"""A machine's initramfs: the modules that mount its root, and the settings of init.sh. It is made at each boot."""

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
"""Folders that are empty in a machine, so that what it needs of them is mounted there."""


def write(path: Path, place: Place, images: Images) -> None:
    """Writes it. Raises LabError."""
    needed = (PROJECT, Path(sys.prefix), Path(sys.base_prefix), place.wheel)
    shown = {folder for folder in needed if any(folder.is_relative_to(hidden) for hidden in _HIDDEN)}
    shown = {folder for folder in shown if not shown & set(folder.parents)}
    on_the_way = {folder for leaf in needed for folder in (leaf, *leaf.parents)}
    closed = [folder for folder in on_the_way if folder.stat().st_mode & 0o005 != 0o005]
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
