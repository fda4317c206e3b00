"""Every way to the counters of all interfaces."""

from functools import partial
from typing import TYPE_CHECKING, get_args

import numpy
import psutil

from benches.column import Column, Counters, Here
from benches.columns import plain_python
from benches.columns.floor import FloorColumn
from benches.columns.floor_answers import interface_readers, v1_of_net_dev
from benches.floor.program import Floor
from benches.machine import Machine
from vmiostat import InterfaceStats, Poller, Rates, Sample
from vmiostat.counter_sources import InterfaceSource

if TYPE_CHECKING:
    from psutil._ntuples import snetio

V1 = InterfaceStats.V1_SIZE
SOURCES: tuple[InterfaceSource, ...] = get_args(InterfaceSource)
MOST_BY_SYSFS = 100
"""Two dozen open files an interface: those of 1,000 are more than a process usually may have."""


def interface_columns(machine: Machine, floor: Floor) -> list[Column]:
    names = machine.interfaces
    watched = set(names)
    leave_out = set() if len(names) <= MOST_BY_SYSFS else {"sysfs", "sysfs-statistics"}
    host = machine.host(names, [])
    net_dev = plain_python.KeptOpen("/proc/net/dev")
    fastest = partial(psutil.net_io_counters, pernic=True, nowrap=False)

    def kept_open() -> Counters:
        return plain_python.net_dev(net_dev.read(), watched)

    readers = interface_readers(machine.sys, names)
    columns: list[Column] = [
        FloorColumn(f"floor: {way}", floor, {way: read}) for way, read in readers.items() if way not in leave_out
    ]
    for source in SOURCES:
        if source not in leave_out:
            columns += our_columns(source, host.poller(interface_source=source))
    return [
        *columns,
        Here("psutil", partial(psutil.net_io_counters, pernic=True), partial(_of_psutil, watched)),
        # psutil at its fastest: it does not remember what it saw last.
        Here("psutil, nowrap=False", fastest, partial(_of_psutil, watched)),
        FloorColumn("procfs crate", floor, {"procfs-crate-interfaces": partial(_of_procfs_crate, watched)}),
        Here("Python: open, read, close", partial(plain_python.interfaces, watched), v1_of_net_dev),
        Here("Python: kept open", kept_open, v1_of_net_dev),
    ]


def our_columns(source: str, poller: Poller) -> list[Column]:
    """All by the same poller, which the columns keep open."""
    memory = bytearray(V1 * poller.interface_rows)
    before = poller.poll()
    devices = before.interface.devices

    def of_memory(_: object) -> Counters:
        rows = [InterfaceStats.from_bytes(memory[at : at + V1]) for at in range(0, len(memory), V1)]
        return {name: tuple(row) for name, row in zip(devices, rows, strict=True)}

    def of_sample(sample: Sample) -> Counters:
        return {name: tuple(row.v1) for name, row in zip(devices, sample.interface, strict=True)}

    def of_array(array: "numpy.ndarray[tuple[int], numpy.dtype[numpy.void]]") -> Counters:
        return {name: tuple(row.tolist()[:8]) for name, row in zip(devices, array, strict=True)}

    def poll_and_rates() -> tuple[Sample, Rates]:
        sample = poller.poll()
        return sample, sample.rates(before)

    def of_rates(found: tuple[Sample, Rates]) -> Counters:
        assert {(row.state, row.rx_bytes, row.tx_bytes) for row in found[1].interface} == {("ok", 0.0, 0.0)}
        return of_sample(found[0])

    return [
        Here(f"poll_into, {source}", partial(poller.poll_into, interface=memory, interface_size=V1), of_memory),
        Here(f"poll, {source}", poller.poll, of_sample),
        Here(f"poll + numpy, {source}", lambda: numpy.asarray(poller.poll().interface), of_array),
        Here(f"poll + rates, {source}", poll_and_rates, of_rates),
    ]


def _of_psutil(watched: set[str], found: "dict[str, snetio]") -> Counters:
    return {
        name: (
            row.bytes_recv, row.packets_recv, row.errin, row.dropin,
            row.bytes_sent, row.packets_sent, row.errout, row.dropout,
        )
        for name, row in found.items()
        if name in watched
    }  # fmt: skip


def _of_procfs_crate(watched: set[str], lines: bytes) -> Counters:
    rows = [line.split() for line in lines.decode().splitlines()]
    return {name: tuple(map(int, numbers)) for name, *numbers in rows if name in watched}
