"""The number of a block device by its path, and which of the devices with this number it is."""

from contextlib import suppress

from vmiostat._core import Roots
from vmiostat.errors import SourceError

Number = tuple[int, int]
"""Major and minor."""


def device_number(path: str, roots: Roots) -> Number | None:
    """The number of the block device at this path, with links followed; None for any other file.

    Raises SourceError if there is none.
    """
    try:
        number = roots.device_number(path)
    except SourceError:
        if (number := _by_name(path, roots)) is None:
            raise
    return _by_name(path, roots) if number is None else number


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
