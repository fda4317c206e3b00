"""The counters under the names and in the units of psutil: bytes, counts, and times in milliseconds.

A number that the source does not have is None here; psutil returns 0 for it.
"""

from __future__ import annotations

from typing import NamedTuple, overload

from vmiostat._core import BlockStats, BlockTable, InterfaceStats, InterfaceTable

MILLISECOND = 1_000_000
"""In ns."""


class DiskIO(NamedTuple):
    """The counters of a block device, as in psutil.disk_io_counters(perdisk=True) on Linux; times are in ms."""

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
    """The counters of an interface, as in psutil.net_io_counters(pernic=True).

    They keep the view of the Host: in the guest's view, `bytes_sent` is what the guest sent.
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
    """Return counters as the named tuples of psutil.

    Parameters
    ----------
    stats : BlockStats, InterfaceStats, BlockTable or InterfaceTable
        The counters of one device, or a table of a sample.

    Returns
    -------
    DiskIO, NetIO, or dict of (str, str) to DiskIO or NetIO
        Of one device its named tuple; of a table all of them, by (domain, device).

    Raises
    ------
    TypeError
        It is something else.

    Examples
    --------
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
    raise TypeError(f"as_psutil() takes stats or a table of a sample, not {type(stats).__name__}")


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
    # A struct cut to an older size does not have the field.
    number: int = getattr(stats, field, -1)
    return None if number == -1 else number // unit
