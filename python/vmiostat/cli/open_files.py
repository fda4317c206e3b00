"""How many files the command may have open: a disk of Xen's takes seven, an interface nine where few are watched."""

import resource
from contextlib import suppress


def allow_open_files() -> None:
    """Takes as many as may be had. The 1024 of most systems are for who uses select(), which this command does not."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
