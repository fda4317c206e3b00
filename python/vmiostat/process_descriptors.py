"""What of a machine's devices a process holds open: tap and macvtap interfaces, and block devices.

To look at it takes the rights to trace the process: those of root (CAP_SYS_PTRACE), or of its owner.
"""

import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass, field

from vmiostat._core import Roots
from vmiostat.block_device_number import Number, device_number
from vmiostat.errors import SourceError

_TUN = "/net/tun"
_MACVTAP = re.compile(r"/dev/tap([0-9]{1,9})", re.ASCII)
_TAP_NAME = re.compile(rb"^iff:\s*(.+)$", re.MULTILINE)
_FLAGS = re.compile(rb"^flags:\s*([0-7]{1,11})\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Descriptors:
    """A process's open files, each by the descriptor's number."""

    paths: dict[int, str] = field(default_factory=dict)
    """What each leads to: /dev/loop0, anon_inode:kvm-vm, socket:[1234]."""
    taps: dict[int, str] = field(default_factory=dict)
    """The interface of each that is a tap's or tun's."""
    macvtaps: dict[int, int] = field(default_factory=dict)
    """The number (ifindex) of the interface of each that is a macvtap's or ipvtap's."""
    block_devices: dict[int, Number] = field(default_factory=dict)
    """Major and minor of each that is a block device."""
    reading_only: set[int] = field(default_factory=set)
    """The block devices that are not open for writing."""


def descriptors(pid: int, roots: Roots, *, nodes_anywhere: bool = False) -> Descriptors:
    """What the process holds open now. Raises SourceError: EACCES without the rights, ENOENT when it has ended.

    Only below /dev is a file looked at, to see whether it is a block device: elsewhere it may lie on a file system that
    hangs. `nodes_anywhere` looks at all, for a process that is locked up with device nodes of its own.
    """
    folder = roots.open(f"/proc/{pid}/fd")
    found = Descriptors()
    try:
        for number in sorted(int(name) for name in os.listdir(folder) if name.isdecimal()):  # noqa: PTH208
            # One that was closed since is passed over.
            with suppress(OSError):
                path = os.readlink(str(number), dir_fd=folder)
                found.paths[number] = path
                if path.endswith(_TUN):
                    _tap(pid, number, found, roots)
                elif macvtap := _MACVTAP.fullmatch(path):
                    found.macvtaps[number] = int(macvtap[1])
                elif path.startswith("/dev/") or (nodes_anywhere and path.startswith("/")):
                    _block_device(pid, number, folder, found, roots)
    except OSError as error:
        raise SourceError(error.errno, error.strerror, roots.shown(f"/proc/{pid}/fd")) from error
    finally:
        os.close(folder)
    return found


def _tap(pid: int, number: int, found: Descriptors, roots: Roots) -> None:
    # No such line: /dev/net/tun was opened, and no interface has been asked for yet.
    if name := _TAP_NAME.search(roots.read(f"/proc/{pid}/fdinfo/{number}")):
        found.taps[number] = os.fsdecode(name[1].strip())


def _block_device(pid: int, number: int, folder: int, found: Descriptors, roots: Roots) -> None:
    if roots.captured:
        device = device_number(found.paths[number], roots)
    else:
        # The descriptor itself, and not the path: that may be another's by now, or be in another mount namespace.
        status = os.stat(str(number), dir_fd=folder)
        device = (os.major(status.st_rdev), os.minor(status.st_rdev)) if stat.S_ISBLK(status.st_mode) else None
    if device is None:
        return
    found.block_devices[number] = device
    flags = _FLAGS.search(roots.read(f"/proc/{pid}/fdinfo/{number}"))
    if flags and int(flags[1], 8) & os.O_ACCMODE == os.O_RDONLY:
        found.reading_only.add(number)
