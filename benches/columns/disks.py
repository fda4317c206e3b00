"""Every way to the counters of all disks."""

from functools import partial
from typing import TYPE_CHECKING

import numpy
import psutil

from benches.column import Column, Counters, Here
from benches.columns import plain_python
from benches.columns.floor import FloorColumn
from benches.columns.floor_answers import SECTOR, disk_readers, v1_of_stat
from benches.floor.program import Floor
from benches.machine import Machine
from vmiostat import BlockStats, Poller, Rates, Sample

if TYPE_CHECKING:
    from psutil._ntuples import sdiskio

V1 = BlockStats.V1_SIZE


def disk_columns(machine: Machine, floor: Floor) -> list[Column]:
    names = [loop.name for loop in machine.loops]
    watched = set(names)
    diskstats = plain_python.KeptOpen("/proc/diskstats")
    stat_files = [plain_python.KeptOpen(f"/sys/block/{name}/stat") for name in names]

    def kept_open_stat_files() -> Counters:
        return {name: tuple(map(int, file.read().split())) for name, file in zip(names, stat_files, strict=True)}

    return [
        *(FloorColumn(f"floor: {way}", floor, {way: read}) for way, read in disk_readers(names).items()),
        *our_columns(machine.host([], machine.loops).poller(), names),
        Here("psutil", partial(psutil.disk_io_counters, perdisk=True), partial(_of_psutil, watched)),
        # psutil at its fastest: it does not remember what it saw last.
        Here(
            "psutil, nowrap=False",
            partial(psutil.disk_io_counters, perdisk=True, nowrap=False),
            partial(_of_psutil, watched),
        ),
        FloorColumn("procfs crate", floor, {"procfs-crate-disks": partial(_of_procfs_crate, watched)}),
        Here("Python: open, read, close (diskstats)", partial(plain_python.disks_of_diskstats, watched), v1_of_stat),
        Here("Python: open, read, close (stat files)", partial(plain_python.disks_of_stat_files, names), v1_of_stat),
        Here("Python: kept open (diskstats)", lambda: plain_python.diskstats(diskstats.read(), watched), v1_of_stat),
        Here("Python: kept open (stat files)", kept_open_stat_files, v1_of_stat),
    ]


def our_columns(poller: Poller, names: list[str]) -> list[Column]:
    """All by the same poller, which the columns keep open."""
    memory = bytearray(V1 * poller.block_rows)
    before = poller.poll()

    def of_memory(_: object) -> Counters:
        rows = [BlockStats.from_bytes(memory[at : at + V1]) for at in range(0, len(memory), V1)]
        return {name: tuple(row)[:4] for name, row in zip(names, rows, strict=True)}

    def of_sample(sample: Sample) -> Counters:
        return {name: tuple(row)[:4] for name, row in zip(names, sample.block, strict=True)}

    def of_array(array: "numpy.ndarray[tuple[int], numpy.dtype[numpy.void]]") -> Counters:
        return {name: tuple(row.tolist()[:4]) for name, row in zip(names, array, strict=True)}

    def poll_and_rates() -> tuple[Sample, Rates]:
        sample = poller.poll()
        return sample, sample.rates(before)

    def of_rates(found: tuple[Sample, Rates]) -> Counters:
        assert {(row.state, row.rd_bytes, row.wr_bytes) for row in found[1].block} == {("ok", 0.0, 0.0)}
        return of_sample(found[0])

    return [
        Here("poll_into", partial(poller.poll_into, block=memory, block_size=V1), of_memory),
        Here("poll", poller.poll, of_sample),
        Here("poll + numpy", lambda: numpy.asarray(poller.poll().block), of_array),
        Here("poll + rates", poll_and_rates, of_rates),
    ]


def _of_psutil(watched: set[str], found: "dict[str, sdiskio]") -> Counters:
    return {
        name: (row.read_count, row.read_bytes, row.write_count, row.write_bytes)
        for name, row in found.items()
        if name in watched
    }


def _of_procfs_crate(watched: set[str], lines: bytes) -> Counters:
    found: Counters = {}
    for line in lines.decode().splitlines():
        name, *numbers = line.split()
        reads, sectors_read, writes, sectors_written = map(int, numbers)
        if name in watched:
            found[name] = (reads, sectors_read * SECTOR, writes, sectors_written * SECTOR)
    return found
