"""Whether the kernel counts a disk's requests at the disk, at the devices below, or in the name of a kernel thread.

docs/sources.md has a table of the kinds of devices, as seen under several kernels.
"""

import re

from vmiostat._core import Roots
from vmiostat.counter_sources import BlockDevice
from vmiostat.errors import SourceError

_RAID_THREAD = frozenset({b"raid4", b"raid5", b"raid6"})
_MAX_DEPTH = 8
_BIO_BASED_STOPS = (6, 3)
"""Linux: before, bio-based device-mapper neither sets nor checks its queue's flag, and counts always."""
_MD_STOPS = ((6, 1), (7, 3))
"""Linux 6.1 and 7.3 stop md's counters, 6.12 does not; nothing is said of those between."""
_NVME = re.compile(r"nvme(\d+)n(\d+)", re.ASCII)

_PATHS_ONLY = (
    "this kernel counts a multipath NVMe disk at its paths only ({paths}; the disk itself has counted nothing), and "
    "queue/iostats does not change that (Linux 6.4 and later count the disk)"
)


def uncounted(device: BlockDevice, roots: Roots) -> str:
    """Why the disk's own counters stay 0 whatever it does; empty if they do not."""
    folder = _disk_folder(device, roots)
    paths = _nvme_paths(folder, roots)
    if not paths or _has_counted(folder, roots):
        return ""
    off = roots.read_or_none(f"{folder}/queue/iostats") == b"0\n"
    if off or any(_has_counted(path, roots) for path in paths):
        return _PATHS_ONLY.format(paths=", ".join(roots.shown(f"{path}/stat") for path in paths))
    return ""


def switched_off(device: BlockDevice, roots: Roots) -> str:
    """queue/iostats=0 stops a device's counters, which do not show it. A partition's queue is its disk's."""
    folder = _disk_folder(device, roots)
    path = f"{folder}/queue/iostats"
    if (roots.read_or_none(path) or b"").strip() != b"0":
        return ""
    bio_based = roots.exists(f"{folder}/dm") and not roots.exists(f"{folder}/mq")
    if bio_based and _release(roots) < _BIO_BASED_STOPS:
        return ""
    if roots.exists(f"{folder}/md") and _MD_STOPS[0] < _release(roots) < _MD_STOPS[1]:
        return ""
    return f"its counters are off: {roots.shown(path)} is 0 (write 1 to turn them on)"


def is_written_by_a_thread(device: BlockDevice, roots: Roots) -> bool:
    """Whether a kernel thread writes for the disk, or for a device below, so that no control group counts that.

    A loop device writes its file so, unless by direct I/O, and RAID 4, 5 and 6.
    """
    folders = [_disk_folder(device, roots)]
    for _ in range(_MAX_DEPTH):
        if any(_has_writing_thread(folder, roots) for folder in folders):
            return True
        below = [f"{folder}/slaves/{name}" for folder in folders for name in roots.list_or_empty(f"{folder}/slaves")]
        folders = [_disk_of(folder, roots) for folder in below]
    return False


def _has_writing_thread(folder: str, roots: Roots) -> bool:
    if roots.exists(f"{folder}/loop/backing_file"):
        return (roots.read_or_none(f"{folder}/loop/dio") or b"").strip() != b"1"
    return (roots.read_or_none(f"{folder}/md/level") or b"").strip() in _RAID_THREAD


def _disk_folder(device: BlockDevice, roots: Roots) -> str:
    return _disk_of(f"/sys/dev/block/{device.major}:{device.minor}", roots)


def _disk_of(folder: str, roots: Roots) -> str:
    """A partition's disk, or the disk itself."""
    return f"{folder}/.." if roots.exists(f"{folder}/partition") else folder


def _nvme_paths(folder: str, roots: Roots) -> list[str]:
    """The hidden disks (nvme1c2n1) that lead to a multipath NVMe disk (nvme1n1)."""
    try:
        name = _NVME.fullmatch(roots.real(folder).rpartition("/")[2])
    except SourceError:
        return []
    if name is None or roots.exists(f"{folder}/mq"):
        return []
    hidden = re.compile(rf"nvme{name[1]}c\d+n{name[2]}", re.ASCII)
    return sorted(f"/sys/block/{found}" for found in roots.list_or_empty("/sys/block") if hidden.fullmatch(found))


def _has_counted(folder: str, roots: Roots) -> bool:
    return any(number != b"0" for number in (roots.read_or_none(f"{folder}/stat") or b"").split())


def _release(roots: Roots) -> tuple[int, int]:
    """Of the kernel, or (0, 0) if that is unknown."""
    found = re.match(rb"(\d+)\.(\d+)", roots.read_or_none("/proc/sys/kernel/osrelease") or b"")
    return (int(found[1]), int(found[2])) if found else (0, 0)
