"""The devices that a process has open: tap and macvtap interfaces, and block devices.

Reading this takes the right to trace the process: root's (CAP_SYS_PTRACE) or its owner's.
"""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from vmiostat._core import Roots
from vmiostat.errors import SourceError
from vmiostat.system.block_device import Number, device_number

_TUN = "/net/tun"
_MACVTAP = re.compile(r"/dev/tap([0-9]{1,9})", re.ASCII)
_TAP_NAME = re.compile(rb"^iff:\s*(.+)$", re.MULTILINE)
_FLAGS = re.compile(rb"^flags:\s*([0-7]{1,11})\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Descriptors:
    """A process's open files by descriptor."""

    paths: Mapping[int, str]
    """As from `open_paths`."""
    taps: dict[int, str] = field(default_factory=dict)
    """The interface of each tap or tun."""
    block_devices: dict[int, Number] = field(default_factory=dict)
    """Major and minor of each block device."""
    read_only: set[int] = field(default_factory=set)
    """Block devices that are not open for writing."""

    @property
    def macvtaps(self) -> dict[int, int]:
        """The ifindex of each macvtap or ipvtap."""
        return macvtaps(self.paths)


def open_paths(pid: int, roots: Roots) -> dict[int, str]:
    """What each descriptor refers to: /dev/loop0, anon_inode:kvm-vm, socket:[1234].

    Raises SourceError: EACCES without the rights, ENOENT if the process has ended.
    """
    paths = {}
    with _folder(pid, roots) as folder:
        for number in open_numbers(pid, roots):
            # Skip one that has been closed.
            with suppress(OSError):
                paths[number] = os.readlink(str(number), dir_fd=folder)
    return paths


def open_numbers(pid: int, roots: Roots) -> list[int]:
    """Only the descriptors, which is a tenth of the work. Raises SourceError like `open_paths`."""
    return sorted(int(name) for name in roots.list(f"/proc/{pid}/fd") if name.isdecimal())


def macvtaps(paths: Mapping[int, str]) -> dict[int, int]:
    """The ifindex of each descriptor of a macvtap or ipvtap."""
    return {number: int(tap[1]) for number, path in paths.items() if (tap := _MACVTAP.fullmatch(path))}


def descriptors(pid: int, roots: Roots, paths: Mapping[int, str], *, nodes_anywhere: bool = False) -> Descriptors:
    """The devices behind the paths of the process's descriptors. Raises SourceError like `open_paths`.

    Only files below /dev are examined, to see whether they are block devices: others may be on a file system that
    hangs. `nodes_anywhere` examines all of them, for a process whose root has device nodes anywhere.
    """
    found = Descriptors(paths)
    with _folder(pid, roots) as folder:
        for number, path in paths.items():
            # Skip one that has been closed.
            with suppress(OSError):
                if path.endswith(_TUN):
                    _tap(pid, number, found, roots)
                elif path.startswith("/dev/") or (nodes_anywhere and path.startswith("/")):
                    _block_device(pid, number, folder, found, roots)
    return found


@contextmanager
def _folder(pid: int, roots: Roots) -> Iterator[int]:
    folder = roots.open(f"/proc/{pid}/fd")
    try:
        yield folder
    except OSError as error:
        raise SourceError(error.errno, error.strerror, roots.shown(f"/proc/{pid}/fd")) from error
    finally:
        os.close(folder)


def _tap(pid: int, number: int, found: Descriptors, roots: Roots) -> None:
    # Without this line, /dev/net/tun was opened, but no interface was created yet.
    if name := _TAP_NAME.search(roots.read(f"/proc/{pid}/fdinfo/{number}")):
        found.taps[number] = os.fsdecode(name[1].strip())


def _block_device(pid: int, number: int, folder: int, found: Descriptors, roots: Roots) -> None:
    if roots.captured:
        device = device_number(found.paths[number], roots)
    else:
        # Not by the path, which may refer to another file by now, or be in another mount namespace.
        status = os.stat(str(number), dir_fd=folder)
        device = (os.major(status.st_rdev), os.minor(status.st_rdev)) if stat.S_ISBLK(status.st_mode) else None
    if device is None:
        return
    found.block_devices[number] = device
    flags = _FLAGS.search(roots.read(f"/proc/{pid}/fdinfo/{number}"))
    if flags and int(flags[1], 8) & os.O_ACCMODE == os.O_RDONLY:
        found.read_only.add(number)
