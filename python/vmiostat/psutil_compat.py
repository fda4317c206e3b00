"""The same counters under the names and in the units that psutil has, for people who come from there.

psutil.disk_io_counters() and psutil.net_io_counters() give named tuples: bytes, counts, and times in milliseconds. A
number that the source does not have is None here (psutil would give 0).
"""

from __future__ import annotations

from typing import NamedTuple, overload

from vmiostat._core import BlockStats, BlockTable, InterfaceStats, InterfaceTable

MILLISECOND = 1_000_000
"""In ns."""


class DiskIO(NamedTuple):
    """A block device's counters, as psutil.disk_io_counters(perdisk=True) has them on Linux; times in ms."""

    read_count: int | None
    write_count: int | None
    read_bytes: int | None
    write_bytes: int | None
    read_time: int | None
    write_time: int | None
    read_merged_count: int | None
    write_merged_count: int | None
    busy_time: int | None


class NetIO(NamedTuple):
    """An interface's counters, as psutil.net_io_counters(pernic=True) has them.

    In the view that they were read in: in the guest's, `bytes_sent` is what the guest sent.
    """

    bytes_sent: int | None
    bytes_recv: int | None
    packets_sent: int | None
    packets_recv: int | None
    errin: int | None
    errout: int | None
    dropin: int | None
    dropout: int | None


@overload
def as_psutil(stats: BlockStats) -> DiskIO: ...
@overload
def as_psutil(stats: InterfaceStats) -> NetIO: ...
@overload
def as_psutil(stats: BlockTable) -> dict[tuple[str, str], DiskIO]: ...
@overload
def as_psutil(stats: InterfaceTable) -> dict[tuple[str, str], NetIO]: ...
def as_psutil(
    stats: BlockStats | InterfaceStats | BlockTable | InterfaceTable,
) -> DiskIO | NetIO | dict[tuple[str, str], DiskIO] | dict[tuple[str, str], NetIO]:
    """psutil's named tuple of one device's counters; of a sample's table, a dict of them by (domain, device).

    >>> from vmiostat import BlockStats
    >>> as_psutil(BlockStats.from_bytes(bytes(40)))
    DiskIO(read_count=0, write_count=0, read_bytes=0, write_bytes=0, read_time=None, ...
    """
    if isinstance(stats, BlockStats):
        return _disk(stats)
    if isinstance(stats, InterfaceStats):
        return _net(stats)
    if isinstance(stats, BlockTable):
        return dict(zip(_keys(stats), map(_disk, stats), strict=True))
    if isinstance(stats, InterfaceTable):
        return dict(zip(_keys(stats), map(_net, stats), strict=True))
    raise TypeError(f"expected stats or a table of a sample, not {type(stats).__name__}")


def _keys(table: BlockTable | InterfaceTable) -> zip[tuple[str, str]]:
    return zip(table.domains, table.devices, strict=True)


def _disk(stats: BlockStats) -> DiskIO:
    return DiskIO(
        read_count=_count(stats, "rd_req"),
        write_count=_count(stats, "wr_req"),
        read_bytes=_count(stats, "rd_bytes"),
        write_bytes=_count(stats, "wr_bytes"),
        read_time=_count(stats, "rd_time", MILLISECOND),
        write_time=_count(stats, "wr_time", MILLISECOND),
        read_merged_count=_count(stats, "rd_merged"),
        write_merged_count=_count(stats, "wr_merged"),
        busy_time=_count(stats, "busy_time", MILLISECOND),
    )


def _net(stats: InterfaceStats) -> NetIO:
    return NetIO(
        bytes_sent=_count(stats, "tx_bytes"),
        bytes_recv=_count(stats, "rx_bytes"),
        packets_sent=_count(stats, "tx_packets"),
        packets_recv=_count(stats, "rx_packets"),
        errin=_count(stats, "rx_errs"),
        errout=_count(stats, "tx_errs"),
        dropin=_count(stats, "rx_drop"),
        dropout=_count(stats, "tx_drop"),
    )


def _count(stats: BlockStats | InterfaceStats, field: str, unit: int = 1) -> int | None:
    # A struct that was cut to an older size lacks the field: as unknown as -1.
    number: int = getattr(stats, field, -1)
    return None if number == -1 else number // unit
