"""`python -m benches.crossings`: what each way costs here, in the words of rust/core/src/source/cost.rs.

It needs root: it makes its own interfaces and disks. All are measured interleaved; each number is the least of several.
"""

import tempfile
import time
from functools import partial
from pathlib import Path

from benches.floor.program import Floor, running_floor
from benches.machine import Machine, made_machine
from vmiostat import InterfaceStats, Poller
from vmiostat.counter_sources import InterfaceSource

INTERFACES, DISKS = 500, 100
PASSES, ROUNDS = 15, 50
FILES = 9
"""Statistics files that the floor reads of an interface."""


def measured(machine: Machine, floor: Floor) -> dict[str, float]:
    """Nanoseconds, by the constants' names."""
    netlink, hedged = (_poll(machine, source) for source in ("netlink", "auto"))
    ways = ("proc-net-dev", "netlink-dump", "netlink-singles", "sysfs-statistics", "diskstats", "stat-files")
    floors = {way: partial(floor.measure, way, ROUNDS) for way in ways}
    least = dict.fromkeys([*ways, "netlink", "hedged"], float("inf"))
    for _ in range(PASSES):
        for name, measure in {**floors, "netlink": netlink, "hedged": hedged}.items():
            least[name] = min(least[name], measure())
    lines = len(Path("/proc/net/dev").read_text().splitlines()) - 2
    disk_lines = len(Path("/proc/diskstats").read_text().splitlines())
    return {
        "PROC_LINE": least["proc-net-dev"] / lines,
        "DUMP_ROW": least["netlink-dump"] / lines,
        "SINGLE": least["netlink-singles"] / INTERFACES,
        "HEDGE": least["hedged"] - least["netlink"],
        "SYSFS_FILE": least["sysfs-statistics"] / INTERFACES / FILES,
        "DISKSTATS_LINE": least["diskstats"] / disk_lines,
        "STAT_FILE": least["stat-files"] / DISKS,
    }


def _poll(machine: Machine, source: InterfaceSource) -> "partial[float]":
    poller = machine.host(machine.interfaces, []).poller(interface_source=source)
    if source == "auto":
        (explained,) = poller.explain()
        assert "by a thread" in explained.source, explained
    return partial(_measure, poller, bytearray(InterfaceStats.SIZE * poller.interface_rows))


def _measure(poller: Poller, memory: bytearray) -> float:
    start = time.perf_counter_ns()
    for _ in range(ROUNDS):
        poller.poll_into(interface=memory)
    return (time.perf_counter_ns() - start) / ROUNDS


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, made_machine(Path(folder)) as machine:
        machine.grow(INTERFACES, DISKS)
        with running_floor(machine, machine.interfaces, machine.loops) as floor:
            for name, nanoseconds in measured(machine, floor).items():
                print(f"{name:<15} {nanoseconds:10.0f}")


if __name__ == "__main__":
    main()
