"""Loop devices whose medium changes, with partitions that come and go, each with write requests of its own size."""

import errno
import fcntl
import mmap
import os
import random
import struct
import time
from collections.abc import Callable
from ctypes import addressof, create_string_buffer
from itertools import count
from pathlib import Path

from testkit.identity.journal import Count, Device, Journal
from testkit.real.own_number import OWN_NUMBER
from testkit.until import until

_LOOP_CONFIGURE, _LOOP_CLR_FD, _LOOP_SET_CAPACITY = 0x4C0A, 0x4C01, 0x4C07
_LOOP_CTL_ADD, _LOOP_CTL_REMOVE = 0x4C80, 0x4C81
_LO_FLAGS_PARTSCAN = 8
_BLKPG, _ADD_PARTITION, _DELETE_PARTITION = 0x1269, 1, 2
_LOOP_MAJOR, _PARTITION_MAJOR = 7, 259
_SECTOR = 512
_SIZES = range(1, 64)
"""Sectors of a request: each disk has its own."""

Place = tuple[int, int]
"""A device number."""


class Disk:
    """A loop device with a medium, or without one."""

    def __init__(self, number: int) -> None:
        self.place: Place = (_LOOP_MAJOR, number)
        self.path = f"/dev/loop{number}"
        self.file = -1
        """The device, open; -1 without a medium."""
        self.medium: Device | None = None
        self.last: Device | None = None
        """The last medium, or the disk that had none yet. A row may show an ejected one until there is another, since
        the kernel announces an ejection before it changes the diskseq (disk_force_media_change, block/disk-events.c).
        """
        self.partition: tuple[Place, Device] | None = None
        self.written = Count()
        """Its requests since it was added: a medium change does not reset them."""
        self.size = 0


class Disks:
    """One thread changes them."""

    def __init__(self, journal: Journal, folder: Path, seed: int) -> None:
        self._journal, self._folder, self._random = journal, folder, random.Random(seed)
        self._numbers = count(1)
        self._memory = mmap.mmap(-1, _SIZES.stop * _SECTOR)
        self._control = os.open("/dev/loop-control", os.O_RDWR)
        # Far from the numbers that the kernel gives by itself.
        self._disks = [Disk(OWN_NUMBER % 100_000 + 1000 + n) for n in range(4)]
        self.places: list[Place] = [disk.place for disk in self._disks]
        self.targets = {
            f"vd{letter}": (disk.place, disk.path) for letter, disk in zip("abcd", self._disks, strict=True)
        }
        """By the guest's name: the number and the path of a disk."""
        self.partitions: list[Place] = [(_PARTITION_MAJOR, number) for number in range(12)]
        """Numbers that partitions get."""
        for disk in self._disks:
            self._add(disk)
            self._insert(disk)

    def close(self) -> None:
        for disk in self._disks:
            self._remove(disk)
        os.close(self._control)

    def change(self) -> str:
        """One change at random; says which."""
        change: Callable[[Disk], object] = self._random.choice(
            [self._change_medium, self._replace_disk, self._resize, self._add_partition, self._replace_partition]
        )
        change(self._random.choice(self._disks))
        for disk in self._random.sample(self._disks, 2):
            if disk.medium is not None:
                self._write(disk, self._random.randint(1, 3))
        return change.__name__

    # What can happen.

    def _change_medium(self, disk: Disk) -> None:
        self._eject(disk)
        self._insert(disk)

    def _replace_disk(self, disk: Disk) -> None:
        """Another disk of the same number, perhaps without a medium for a while."""
        self._remove(disk)
        self._add(disk)
        self._insert(disk)

    def _resize(self, disk: Disk) -> None:
        if disk.medium is not None:
            sectors = 4096 + 8 * self._random.randrange(1000)
            disk.medium.capacities.add(sectors * _SECTOR)
            os.truncate(self._folder / f"medium-{disk.medium.name}", sectors * _SECTOR)
            fcntl.ioctl(disk.file, _LOOP_SET_CAPACITY)

    def _add_partition(self, disk: Disk) -> None:
        if disk.medium is None or disk.partition is not None:
            return
        start, length = 8 * self._random.randint(1, 50), 8 * self._random.randint(16, 150)
        device = Device(f"part of {disk.medium.name}", disk.medium.index, {"wr_req": Count()}, {"wr_req": disk.size})
        device.capacities.add(length * _SECTOR)
        for place in self.partitions:  # which of them it gets is known only afterwards
            self._journal.enters(place, device)
        self._partition(disk, _ADD_PARTITION, start * _SECTOR, length * _SECTOR)
        number = Path(f"/sys/class/block/{Path(disk.path).name}p1/dev").read_text()
        disk.partition = next(place for place in self.partitions if number == "{}:{}\n".format(*place)), device
        for place in self.partitions:
            if place != disk.partition[0]:
                self._journal.has_left(place, device)

    def _replace_partition(self, disk: Disk) -> None:
        self._delete_partition(disk)
        self._add_partition(disk)

    # What it consists of.

    def _add(self, disk: Disk) -> None:
        disk.written = Count()
        disk.size = self._random.choice(_SIZES) * _SECTOR
        empty = Device(f"no medium in {disk.path}", 0, {"wr_req": disk.written}, {"wr_req": disk.size}, {0})
        self._journal.enters(disk.place, empty)
        disk.last = empty
        fcntl.ioctl(self._control, _LOOP_CTL_ADD, disk.place[1])

    def _insert(self, disk: Disk) -> None:
        number = next(self._numbers)
        capacity = (2048 + 8 * (number % 1000)) * _SECTOR
        medium = Device(str(number), 0, {"wr_req": disk.written}, {"wr_req": disk.size}, {0, capacity})
        path = self._folder / f"medium-{number}"
        backing = os.open(path, os.O_RDWR | os.O_CREAT)
        try:
            os.truncate(backing, capacity)
            self._journal.enters(disk.place, medium)
            until(lambda: os.access(disk.path, os.W_OK))
            disk.file = os.open(disk.path, os.O_RDWR | os.O_DIRECT)
            info = struct.pack("40x12xI176x", _LO_FLAGS_PARTSCAN)
            fcntl.ioctl(disk.file, _LOOP_CONFIGURE, struct.pack("II", backing, 0) + info + bytes(68))
        finally:
            os.close(backing)
        self._last_has_left(disk)
        medium.index = int(Path(f"/sys/class/block/{Path(disk.path).name}/diskseq").read_text())
        disk.medium = disk.last = medium
        self._write(disk, self._random.randint(1, 30))

    def _eject(self, disk: Disk) -> None:
        if disk.medium is None:
            return
        self._delete_partition(disk)
        fcntl.ioctl(disk.file, _LOOP_CLR_FD)
        os.close(disk.file)
        (self._folder / f"medium-{disk.medium.name}").unlink()
        disk.medium = None

    def _last_has_left(self, disk: Disk) -> None:
        if disk.last is not None:
            self._journal.has_left(disk.place, disk.last)
            disk.last = None

    def _remove(self, disk: Disk) -> None:
        self._eject(disk)
        if disk.last is not None:
            disk.last.ends_now()
        for _ in range(1000):
            try:
                fcntl.ioctl(self._control, _LOOP_CTL_REMOVE, disk.place[1])
            except OSError as error:  # another program reads the new disk's first blocks
                if error.errno != errno.EBUSY:
                    raise
                time.sleep(0.005)
            else:
                break
        self._last_has_left(disk)

    def _delete_partition(self, disk: Disk) -> None:
        if disk.partition is not None:
            place, device = disk.partition
            self._partition(disk, _DELETE_PARTITION, 0, 0)
            self._journal.has_left(place, device)
            disk.partition = None

    def _partition(self, disk: Disk, operation: int, start: int, length: int) -> None:
        partition = create_string_buffer(struct.pack("qqi128x4x", start, length, 1))
        fcntl.ioctl(disk.file, _BLKPG, struct.pack("iiiP", operation, 0, len(partition), addressof(partition)))

    def _write(self, disk: Disk, requests: int) -> None:
        """To the disk; and to its partition, which counts for both."""
        self._write_to(disk.file, disk, [disk.written], requests)
        if disk.partition is not None:
            (major, minor), device = disk.partition
            node = self._folder / f"node-{major}-{minor}"
            os.mknod(node, 0o600 | 0o060000, os.makedev(major, minor))
            file = os.open(node, os.O_RDWR | os.O_DIRECT)
            try:
                self._write_to(file, disk, [disk.written, device.counts["wr_req"]], requests + 1)
            finally:
                os.close(file)
                node.unlink()

    def _write_to(self, file: int, disk: Disk, counts: list[Count], requests: int) -> None:
        for _ in range(requests):
            for written in counts:
                written.begins(1)
            os.pwritev(file, [memoryview(self._memory)[: disk.size]], 0)
            for written in counts:
                written.ends()
