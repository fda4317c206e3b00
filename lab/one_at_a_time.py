"""A lab's folder, in which one at a time makes or removes something."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.command import LabError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Makes the folder, and waits for who else is at work in it. It may be in /tmp, where everybody could make it."""
    folder.mkdir(parents=True, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise LabError(f"{folder} is somebody else's")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
