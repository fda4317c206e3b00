"""Counters of the floor's raw answers: what shows that it asks for the same numbers. Nothing here is measured."""

import struct
from collections.abc import Callable, Sequence
from pathlib import Path

from benches.column import Counters
from benches.columns import plain_python

SECTOR = 512
RTM_NEWSTATS, IFLA_STATS_LINK_64 = 92, 1
Reader = Callable[[bytes], Counters]


def v1_of_net_dev(numbers: Counters) -> Counters:
    """libvirt's eight of the sixteen of /proc/net/dev."""
    return {name: row[:4] + row[8:12] for name, row in numbers.items()}


def v1_of_stat(numbers: Counters) -> Counters:
    """Reads, bytes read, writes, bytes written, of the numbers of a stat file."""
    return {name: (row[0], row[2] * SECTOR, row[4], row[6] * SECTOR) for name, row in numbers.items()}


def interface_readers(sys: Path, names: Sequence[str]) -> dict[str, Reader]:
    """By the floor's way."""
    indices = {int((sys / "class/net" / name / "ifindex").read_text()): name for name in names}
    watched = set(names)

    def net_dev(text: bytes) -> Counters:
        return v1_of_net_dev(plain_python.net_dev(text, watched))

    def sysfs(texts: bytes) -> Counters:
        """Nine numbers an interface, one after the other: rx_drop is the sum of the fourth and the fifth."""
        numbers = list(map(int, texts.split()))
        rows = [numbers[at : at + 9] for at in range(0, len(numbers), 9)]
        return {name: (*row[:3], row[3] + row[4], *row[5:]) for name, row in zip(names, rows, strict=True)}

    def netlink(answers: bytes) -> Counters:
        return _of_netlink(answers, indices)

    return {"netlink-dump": netlink, "netlink-singles": netlink, "proc-net-dev": net_dev, "sysfs-statistics": sysfs}


def disk_readers(names: Sequence[str]) -> dict[str, Reader]:
    """By the floor's way."""

    def diskstats(text: bytes) -> Counters:
        return v1_of_stat(plain_python.diskstats(text, set(names)))

    def stat_files(texts: bytes) -> Counters:
        rows = [tuple(map(int, line.split())) for line in texts.splitlines()]
        return v1_of_stat(dict(zip(names, rows, strict=True)))

    return {"diskstats": diskstats, "stat-files": stat_files}


def _of_netlink(answers: bytes, indices: dict[int, str]) -> Counters:
    """Messages one after the other: struct nlmsghdr, struct if_stats_msg, attributes."""
    found: Counters = {}
    at = 0
    while at < len(answers):
        length, kind = struct.unpack_from("=IH", answers, at)
        if kind == RTM_NEWSTATS:
            (index,) = struct.unpack_from("=I", answers, at + 20)
            attribute = at + 28
            while struct.unpack_from("=HH", answers, attribute)[1] != IFLA_STATS_LINK_64:  # padding may stand before it
                attribute += struct.unpack_from("=H", answers, attribute)[0]
            rx_packets, tx_packets, rx_bytes, tx_bytes, *others = struct.unpack_from("=16Q", answers, attribute + 4)
            rx_errors, tx_errors, rx_dropped, tx_dropped = others[:4]
            rx_missed = others[11]
            rx = rx_bytes, rx_packets, rx_errors, rx_dropped + rx_missed
            if index in indices:
                found[indices[index]] = (*rx, tx_bytes, tx_packets, tx_errors, tx_dropped)
        at += (length + 3) & ~3
    return found
