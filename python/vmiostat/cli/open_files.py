"""The limit of open files: a Xen disk takes seven of them, an interface nine where few of many are polled."""

import resource
from contextlib import suppress


def allow_open_files() -> None:
    """Raises the limit as far as allowed. 1024 is the default because of select(), which this command does not use."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
