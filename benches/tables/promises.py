"""What vmiostat promises, as ratios within one run."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Times = dict[tuple[str, int], dict[str, float]]
"""Medians in ns, by column, of a table of so many devices."""


@dataclass(frozen=True)
class Promise:
    """`ratio` is to be at most `limit`, or else, if `least`, at least that.

    `floor` is the same ratio of the bare system calls: what this machine's kernel leaves to be had.
    """

    what: str
    ratio: float
    limit: float
    least: bool = False
    floor: float | None = None

    @property
    def kept(self) -> bool:
        return self.ratio >= self.limit if self.least else self.ratio <= self.limit


def promises(results: dict[str, Any]) -> list[Promise]:
    """Those that the run has measured."""
    times: Times = {(table["kind"], table["devices"]): medians(table["columns"]) for table in results["tables"]}
    return [
        *_of_interfaces(times),
        *_of_disks(times),
        *_of_one_vm(times),
        *_of_guests(times),
        *_of_the_worst(results["worst"]),
    ]


def medians(columns: list[dict[str, Any]]) -> dict[str, float]:
    """By column."""
    return {row["name"]: row["median_ns"] for row in columns}


def _of_interfaces(times: Times) -> Iterator[Promise]:
    if at := times.get(("interfaces", 1000)):
        floor, netlink, auto = at["floor: netlink-dump"], at["poll_into, netlink"], at["poll_into, auto"]
        bare = at["floor: proc-net-dev"]
        yield Promise("1,000 interfaces: netlink against its floor", netlink / floor, 1.25)
        yield Promise("1,000 interfaces: auto against netlink's floor", auto / floor, 2)
        yield Promise("1,000 interfaces: bare reads of /proc/net/dev against auto", bare / auto, 2, least=True)
        yield Promise(
            "1,000 interfaces: psutil against netlink",
            at["psutil"] / netlink,
            20,
            least=True,
            floor=at["psutil"] / floor,
        )
        yield Promise(
            "1,000 interfaces: psutil against auto", at["psutil"] / auto, 10, least=True, floor=at["psutil"] / floor
        )
        if more := times.get(("interfaces", 10000)):
            for source, way in (("auto", "netlink-dump"), ("proc", "proc-net-dev"), ("netlink", "netlink-dump")):
                ours, bare_calls = (more[name] / at[name] / 10 for name in (f"poll_into, {source}", f"floor: {way}"))
                yield Promise(f"an interface of 10,000 against one of 1,000: {source}", ours, 1.2, floor=bare_calls)


def _of_disks(times: Times) -> Iterator[Promise]:
    if at := times.get(("disks", 500)):
        floor = min(at["floor: diskstats"], at["floor: stat-files"])
        yield Promise("500 disks: poll_into against the cheaper floor", at["poll_into"] / floor, 1.2)
        ratio, of_floor = (at["psutil"] / time for time in (at["poll_into"], floor))
        yield Promise("500 disks: psutil against poll_into", ratio, 5, least=True, floor=of_floor)


def _of_one_vm(times: Times) -> Iterator[Promise]:
    idle, full = times.get(("one VM", 1)), times.get(("one VM", 1000))
    if full:
        for source, way in (("netlink", "netlink-singles"), ("auto", "sysfs-statistics")):
            ratio = full[f"poll_into, {source}"] / full[f"floor: {way} and stat-files"]
            yield Promise(f"one VM among 1,000 interfaces: {source} against its bare system calls", ratio, 2)
    if idle and full:
        for source in ("netlink", "auto"):
            name = f"poll_into, {source}"
            yield Promise(f"one VM: {source} among 1,000 interfaces against alone", full[name] / idle[name], 1.1)


def _of_guests(times: Times) -> Iterator[Promise]:
    for (kind, count), at in times.items():
        if kind == "guests" and count >= 100:
            ratio = at["libvirt: getAllDomainStats"] / at["poll"]
            yield Promise(f"{count} guests: libvirt's getAllDomainStats against poll", ratio, 500, least=True)


def _of_the_worst(worst: list[dict[str, Any]]) -> Iterator[Promise]:
    slowest = {row["name"]: row["slowest_ns"] for row in worst if "removed" in row["during"]}
    if slowest:
        auto, held = slowest["auto"], "while pairs are removed, the slowest"
        yield Promise(f"{held}: auto against proc", auto / slowest["proc"], 2)
        yield Promise(f"{held}: netlink against auto", slowest["netlink"] / auto, 20, least=True)
