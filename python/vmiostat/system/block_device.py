"""The number of a block device by its path, and which of the devices with this number it is."""

import errno
from contextlib import suppress

from vmiostat._core import Roots
from vmiostat.errors import SourceError
from vmiostat.system.probe.pool import PROBE
from vmiostat.system.processes import user

Number = tuple[int, int]
"""Major and minor."""

_NOT_FOLLOWED = (errno.EXDEV, errno.ENOSYS, errno.EPERM, errno.EAGAIN)
"""Of a path that leaves /dev; of openat2 before Linux 5.6, or under a seccomp filter; of a rename at the same time."""
_DEFINITIONS = "the definitions"
"""Who names the disks of domains that libvirt and Xen define."""


def device_number(path: str, roots: Roots, by: object = _DEFINITIONS) -> Number | None:
    """The number of the block device at this path, with links followed; None for any other file.

    Raises SourceError if there is none. A path that leaves /dev may hang: a helper process follows it, for `by`.
    """
    try:
        number = roots.device_number(path)
    except SourceError as error:
        if not roots.captured and error.errno in _NOT_FOLLOWED:
            return _probed(path, *roots.place(path), by, roots)
        if (number := _by_name(path, roots)) is None:
            raise
    return _by_name(path, roots) if number is None else number


def device_number_seen_by(pid: int, path: str, roots: Roots) -> Number | None:
    """The same, by the mounts and below the root of a process. Raises SourceError."""
    root = f"/proc/{pid}/root"
    if roots.captured:
        return device_number(f"{root}{path}", roots)
    return _probed(f"{root}{path}", roots.shown(root), path, user(pid, roots), roots)


def _probed(path: str, root: str, below: str, by: object, roots: Roots) -> Number | None:
    key = ("device", root, below)
    number, _ = PROBE.call("block_device", below, root, key=key, user=by, path=roots.shown(path))
    return None if number is None else (number[0], number[1])


def _by_name(path: str, roots: Roots) -> Number | None:
    """A captured tree has no device nodes, but has links, and the device's number in sysfs."""
    if not roots.captured:
        return None
    with suppress(SourceError):
        path = roots.real(path)
    name = path.removeprefix("/dev/").replace("/", "!")
    major, _, minor = (roots.read_or_none(f"/sys/class/block/{name}/dev") or b"").partition(b":")
    try:
        return int(major), int(minor)
    except ValueError:
        return None


def diskseq(number: Number, roots: Roots) -> int | None:
    """The kernel's sequence number of the disk; for a partition, that of its disk.

    None before Linux 5.15, and on a captured machine, whose devices never change.
    """
    if roots.captured:
        return None
    folder = f"/sys/dev/block/{number[0]}:{number[1]}"
    for path in (f"{folder}/diskseq", f"{folder}/../diskseq"):
        with suppress(SourceError, ValueError):
            return int(roots.read(path))
    return None
