"""The common VM, one disk and one interface, and the bare system calls that its numbers take."""

from functools import partial

from benches.column import Column, Counters, Here
from benches.columns.floor import FloorColumn
from benches.columns.floor_answers import disk_readers, interface_readers
from benches.columns.interfaces import SOURCES
from benches.floor.program import Floor
from benches.machine import Machine
from testkit.real.devices import Loop
from vmiostat import BlockStats, InterfaceStats
from vmiostat.counter_sources import InterfaceSource

BLOCK, INTERFACE = BlockStats.V1_SIZE, InterfaceStats.V1_SIZE
WAYS = ("netlink-singles", "sysfs-statistics", "proc-net-dev")


def vm_columns(machine: Machine, floor: Floor, interface: str, disk: Loop) -> list[Column]:
    readers = interface_readers(machine.sys, [interface])
    stat_file = disk_readers([disk.name])["stat-files"]
    host = machine.host([interface], [disk])

    def our_column(source: InterfaceSource) -> Column:
        poller = host.poller(interface_source=source)
        of_disk, of_interface = bytearray(BLOCK), bytearray(INTERFACE)

        def read(_: object) -> Counters:
            stats = BlockStats.from_bytes(of_disk), InterfaceStats.from_bytes(of_interface)
            return {disk.name: tuple(stats[0])[:4], interface: tuple(stats[1])}

        sizes = {"block_size": BLOCK, "interface_size": INTERFACE}
        poll = partial(poller.poll_into, block=of_disk, interface=of_interface, **sizes)
        return Here(f"poll_into, {source}", poll, read)

    return [
        *(
            FloorColumn(f"floor: {way} and stat-files", floor, {way: readers[way], "stat-files": stat_file})
            for way in WAYS
        ),
        *(our_column(source) for source in SOURCES),
    ]
