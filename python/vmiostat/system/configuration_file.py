"""The text of a configuration file that a process names in its command line.

A helper process reads it, below the process's own root, where each link of the path stays: it may lead to a file system
that hangs. Only a file of root's that no one else may write is opened, and for a process of another user only one that
everyone may read: otherwise the contents of a secret could appear in a name.
"""

import errno
from contextlib import suppress

from vmiostat._core import Roots
from vmiostat.errors import SourceError
from vmiostat.system.probe.pool import PROBE
from vmiostat.system.processes import user

LIMIT = 1 << 20
"""Bytes of a file that is read."""


def configuration_file(pid: int, path: str, roots: Roots) -> str:
    """The text. Raises SourceError, whose strerror says why it is not read."""
    root = f"/proc/{pid}/root"
    if not path.startswith("/"):  # the process may have changed its folder since
        raise SourceError(errno.EINVAL, "its path is relative", path)
    if roots.captured:
        return _captured(root, path, roots)
    owner = user(pid, roots)
    arguments = (path, roots.shown(root), owner == 0, LIMIT)
    key = ("configuration", root, path)
    text, _ = PROBE.call("configuration", *arguments, key=key, path=path, user=owner)
    return str(text)


def _captured(root: str, path: str, roots: Roots) -> str:
    with suppress(SourceError):
        return roots.read(f"{root}{path}").decode(errors="surrogateescape")
    return roots.read(path).decode(errors="surrogateescape")
