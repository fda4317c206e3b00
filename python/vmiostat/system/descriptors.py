"""The devices that a process has open: tap and macvtap interfaces, and block devices.

Reading this takes the right to trace the process: root's (CAP_SYS_PTRACE) or its owner's.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from vmiostat._core import Roots
from vmiostat.errors import SourceError
from vmiostat.system.block_device import Number, device_number
from vmiostat.system.probe.pool import PROBE
from vmiostat.system.processes import start_time, user

_TUN = "/net/tun"
_MACVTAP = re.compile(r"/dev/tap([0-9]{1,9})", re.ASCII)
_TAP_NAME = re.compile(rb"^iff:\s*(.+)$", re.MULTILINE)
_FLAGS = re.compile(rb"^flags:\s*([0-7]{1,11})\s*$", re.MULTILINE)


class _Probed(NamedTuple):
    """What a descriptor refers to."""

    interface: str | None
    """Of a tap or macvtap."""
    device: Number | None
    """The number of a block device."""
    flags: int
    """With which it was opened."""
    namespace: int | None = None
    """The inode of the network namespace of a tap, where it is known."""
    macvtap: bool = False


@dataclass(frozen=True, slots=True)
class Descriptors:
    """A process's open files by descriptor."""

    paths: Mapping[int, str]
    """As from `open_paths`."""
    taps: dict[int, str] = field(default_factory=dict)
    """The interface of each tap or tun."""
    tap_namespaces: dict[int, int] = field(default_factory=dict)
    """The inode of each tap's network namespace, where it is known."""
    macvtaps: dict[int, int] = field(default_factory=dict)
    """The ifindex of each macvtap or ipvtap."""
    macvtap_names: dict[int, str] = field(default_factory=dict)
    """Its interface, where it is known."""
    block_devices: dict[int, Number] = field(default_factory=dict)
    """Major and minor of each block device."""
    read_only: set[int] = field(default_factory=set)
    """Block devices that are not open for writing."""
    complete: bool = True
    """False if there were more descriptors to probe than the limit."""


def open_paths(pid: int, roots: Roots, limit: int | None = None) -> dict[int, str]:
    """What each descriptor refers to: /dev/loop0, anon_inode:kvm-vm, socket:[1234]. `limit` as in `open_numbers`.

    Raises SourceError: EACCES without the rights, ENOENT if the process has ended.
    """
    paths = {}
    with _folder(pid, roots) as folder:
        for number in open_numbers(pid, roots, limit):
            # Skip one that has been closed.
            with suppress(OSError):
                paths[number] = os.readlink(str(number), dir_fd=folder)
    return paths


def open_numbers(pid: int, roots: Roots, limit: int | None = None) -> list[int]:
    """Only the descriptors, which is a tenth of the work; at most `limit`, which the kernel lists in ascending order.

    Raises SourceError like `open_paths`.
    """
    with _folder(pid, roots) as folder, os.scandir(folder) as entries:
        return sorted(int(entry.name) for entry in islice(entries, limit) if entry.name.isdecimal())


def macvtaps(paths: Mapping[int, str]) -> dict[int, int]:
    """The ifindex of each descriptor of a macvtap or ipvtap."""
    return {number: int(tap[1]) for number, path in paths.items() if (tap := _MACVTAP.fullmatch(path))}


def descriptors(
    pid: int, roots: Roots, paths: Mapping[int, str], limit: int, *, nodes_anywhere: bool = False
) -> Descriptors:
    """The devices behind the paths of the process's descriptors. Raises SourceError like `open_paths`.

    Only taps and what is below /dev are probed, and what is open for I/O: an O_PATH descriptor takes no rights to the
    device. `nodes_anywhere` probes all, for a process that is locked up with device nodes of its own. At most `limit`
    descriptors are probed.
    """
    wanted = [
        number
        for number, path in paths.items()
        if path.endswith(_TUN) or path.startswith("/dev/") or (nodes_anywhere and path.startswith("/"))
    ]
    found = Descriptors(paths, complete=len(wanted) <= limit)
    numbers = macvtaps(paths)
    for number, probed in _probed(pid, roots, paths, wanted[:limit]).items():
        if probed.flags & os.O_PATH:
            continue
        if probed.macvtap:
            # Anyone can have another file at such a path, in a mount namespace.
            if number in numbers:
                found.macvtaps[number] = numbers[number]
                if probed.interface is not None:
                    found.macvtap_names[number] = probed.interface
        elif probed.interface is not None:
            found.taps[number] = probed.interface
            if probed.namespace is not None:
                found.tap_namespaces[number] = probed.namespace
        elif probed.device is not None:
            found.block_devices[number] = probed.device
            if probed.flags & os.O_ACCMODE == os.O_RDONLY:
                found.read_only.add(number)
    return found


def _probed(pid: int, roots: Roots, paths: Mapping[int, str], wanted: Sequence[int]) -> dict[int, _Probed]:
    """Of each descriptor; one that was closed since is passed over."""
    if roots.captured:
        found = {}
        for number in wanted:
            with suppress(OSError):
                found[number] = _captured(pid, number, paths[number], roots)
        return found
    if not wanted:
        return {}
    key = (pid, start_time(pid, roots))
    arguments = (roots.shown("/proc"), *key, wanted)
    shown = roots.shown(f"/proc/{pid}/fd")
    answer, _ = PROBE.call("descriptors", *arguments, key=key, path=shown, user=user(pid, roots))
    return {
        int(number): _Probed(interface, (device[0], device[1]) if device else None, *rest)
        for number, (interface, device, *rest) in answer.items()
    }


def _captured(pid: int, number: int, path: str, roots: Roots) -> _Probed:
    text = roots.read_or_none(f"/proc/{pid}/fdinfo/{number}") or b""
    tap, flags = _TAP_NAME.search(text), _FLAGS.search(text)
    macvtap = _MACVTAP.fullmatch(path) is not None
    device = None if macvtap or path.endswith(_TUN) else device_number(path, roots)
    name = os.fsdecode(tap[1].strip()) if tap else None
    return _Probed(name, device, int(flags[1], 8) if flags else os.O_RDWR, macvtap=macvtap)


@contextmanager
def _folder(pid: int, roots: Roots) -> Iterator[int]:
    folder = roots.open_folder(f"/proc/{pid}/fd")
    try:
        yield folder
    except OSError as error:
        raise SourceError(error.errno, error.strerror, roots.shown(f"/proc/{pid}/fd")) from error
    finally:
        os.close(folder)
