"""A VMM's disks: those of its command line, with the numbers of the block devices that it has open."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace

from vmiostat._core import Roots
from vmiostat.counter_sources import BlockDevice
from vmiostat.discovery.limits import DEVICES
from vmiostat.discovery.vmm.command_line import CommandLine
from vmiostat.discovery.vmm.qemu.block_nodes import is_handed_over
from vmiostat.errors import SourceError
from vmiostat.model import Disk, Process
from vmiostat.system.block_device import Number, device_number, device_number_seen_by
from vmiostat.system.descriptors import Descriptors
from vmiostat.system.processes import user

_READ_ONLY = (
    "the VMM has it open read-only, like the disk below a snapshot's overlay: the guest's writes go elsewhere and are "
    "not counted here"
)
_HANDED_OVER = "the command line hands it over as a descriptor ({}), and does not show which disk it is"
_WHICHEVER = "one of the disks that the command line hands over as descriptors ({}): it does not show which"
_LINKS = "the paths of disks outside /dev"
"""Who makes a look-up of one of them hang."""
_GENERIC = re.compile(r"/dev/(sg|bsg/)[0-9:]+", re.ASCII)
"""A character device that takes SCSI commands."""


def disks(line: CommandLine, opened: Descriptors | None, process: Process, roots: Roots) -> Iterator[Disk]:
    """The disks of the command line, except block devices that are no longer open; then other open block devices.

    A file that is plugged or unplugged later goes unnoticed: an open file does not show whether it is a disk.
    """
    return iter(line.disks) if opened is None else _OpenDisks(line, opened, process, roots).each()


class _OpenDisks:
    """The block devices that the process has open, and which disk of the command line each of them is."""

    def __init__(self, line: CommandLine, opened: Descriptors, process: Process, roots: Roots) -> None:
        self._line = line
        self._opened = opened
        self._process = process
        self._roots = roots
        self._found: dict[int, Disk | None] = dict(enumerate(line.disks[:DEVICES]))
        """By the place in the command line; None for one that is no longer open."""
        self._by_path = {opened.paths[at]: number for at, number in reversed(opened.block_devices.items())}
        self._numbers = frozenset(opened.block_devices.values())
        self._writable = {number for at, number in opened.block_devices.items() if at not in opened.read_only}
        self._left = {number: at for at, number in reversed(opened.block_devices.items())}
        """Those that are not known to be a disk of the command line, or beneath one, with the first descriptor."""

    def each(self) -> Iterator[Disk]:
        """In the command line's order, then the others."""
        self._by_their_paths()
        if self._left:
            self._by_links()
        reason = self._by_descriptors()
        yield from filter(None, self._found.values())
        for number, descriptor in sorted(self._left.items(), key=lambda item: item[1]):
            path = self._opened.paths[descriptor]
            yield Disk(path, "block", source=path, counter_source=BlockDevice(*number), reason=reason)

    def _by_their_paths(self) -> None:
        """Takes the paths that are block devices by their places below /dev."""
        beneath = [self._number(path) for path in self._line.beneath[:DEVICES] if path.startswith("/dev/")]
        for place, disk in self._found.items():
            if disk is None or disk.type != "block" or disk.source is None or is_handed_over(disk.source):
                continue
            number = self._number(disk.source)
            if number in self._numbers and number is not None:
                self._is(place, disk, number)
            elif not self._is_generic(disk.source):
                self._found[place] = None
        self._forget(beneath)

    def _by_links(self) -> None:
        """Takes other paths that lead to a block device: a link /run/ganeti/instance-disks/web1:0."""
        files = {place: disk for place, disk in self._found.items() if disk is not None and disk.type == "file"}
        paths = {place: disk.source for place, disk in files.items() if disk.source and disk.source.startswith("/")}
        beneath = [path for path in self._line.beneath[:DEVICES] if not path.startswith("/dev/")]
        for place, path in paths.items():
            number = self._link(path) if self._left else None
            if number in self._numbers and number is not None:
                self._is(place, replace(files[place], type="block"), number)
        self._forget([self._link(path) for path in beneath if self._left and path.startswith("/")])

    def _by_descriptors(self) -> str:
        """Takes those that were handed over as descriptors, and returns what to say of the devices that are left.

        QEMU copies such a descriptor, and closes the one of which the command line has the number.
        """
        handed = {place: disk for place, disk in self._found.items() if disk is not None and _is_handed_over(disk)}
        names = sorted({str(disk.source) for disk in handed.values()})
        if not handed:
            return ""
        if len(names) == len(self._left) == 1:
            (number,) = self._left
            for place, disk in handed.items():
                self._is(place, disk, number)
            return ""
        if len(names) == len(self._left):  # each of them is one of the devices, shown under the device's own name
            self._found |= dict.fromkeys(handed)
            return _WHICHEVER.format(", ".join(names))
        for place, disk in handed.items():
            self._found[place] = replace(disk, reason=_HANDED_OVER.format(disk.source)) if self._left else None
        return ""

    def _is(self, place: int, disk: Disk, number: Number) -> None:
        read_only = disk.device == "disk" and disk.target not in self._line.read_only and number not in self._writable
        reason = _READ_ONLY if read_only else ""
        self._found[place] = replace(disk, counter_source=BlockDevice(*number), reason=reason)
        self._left.pop(number, None)

    def _forget(self, beneath: Iterable[Number | None]) -> None:
        """These are no disks of their own."""
        for number in beneath:
            if number is not None:
                self._left.pop(number, None)

    def _is_generic(self, path: str) -> bool:
        """Whether it is open as a character device that passes SCSI commands on."""
        return _GENERIC.fullmatch(path) is not None and path in self._opened.paths.values()

    def _link(self, path: str) -> Number | None:
        """Of any path. A hang is not its user's, of whose processes then none would be probed."""
        with suppress(SourceError):
            return device_number_seen_by(self._process.pid, path, self._roots, _LINKS)
        return None

    def _number(self, path: str) -> Number | None:
        """Of the open file, else by the process's /dev, else by ours."""
        if path in self._by_path:
            return self._by_path[path]
        if not self._numbers:  # a look-up takes longer than all else here, and would find nothing
            return None
        by = user(self._process.pid, self._roots)
        with suppress(SourceError):
            return device_number_seen_by(self._process.pid, path, self._roots, by)
        with suppress(SourceError):
            return device_number(path, self._roots, by)
        return None


def _is_handed_over(disk: Disk) -> bool:
    return disk.type == "block" and disk.source is not None and is_handed_over(disk.source)
