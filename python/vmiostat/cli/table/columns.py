"""The columns of a table: their values, under the headings of iostat and sar for the same numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vmiostat import Field
    from vmiostat.cli.rows import Row, Section

    Value = Callable[[Row], float | None]

# fmt: off
BLOCK_ORDER = (
    "r/s", "rkB/s", "rrqm/s", "%rrqm", "r_await", "rareq-sz", "w/s", "wkB/s", "wrqm/s", "%wrqm", "w_await",
    "wareq-sz", "f/s", "f_await", "d/s", "dkB/s", "drqm/s", "%drqm", "d_await", "dareq-sz", "rerr/s", "werr/s",
    "ferr/s", "derr/s", "inval/s", "oo/s", "aqu-sz", "%util"
)
INTERFACE_ORDER = (
    "rxkB/s", "rxpck/s", "rxpck-sz", "rxerr/s", "rxdrop/s", "rxfifo/s", "rxfram/s", "rxmcst/s", "rxcmp/s", "txkB/s",
    "txpck/s", "txpck-sz", "txerr/s", "txdrop/s", "txfifo/s", "txcarr/s", "coll/s", "txcmp/s"
)
WORTH = (
    "wkB/s", "rkB/s", "w/s", "r/s", "%util", "w_await", "r_await", "aqu-sz", "f/s", "f_await", "d/s", "dkB/s",
    "d_await", "rerr/s", "werr/s", "ferr/s", "derr/s", "inval/s", "wareq-sz", "rareq-sz", "dareq-sz", "wrqm/s",
    "rrqm/s", "drqm/s", "%wrqm", "%rrqm", "%drqm", "oo/s", "rxkB/s", "txkB/s", "rxpck/s", "txpck/s", "rxdrop/s",
    "txdrop/s", "rxerr/s", "txerr/s", "rxpck-sz", "txpck-sz", "rxfifo/s", "txfifo/s", "rxmcst/s", "rxfram/s",
    "txcarr/s", "coll/s", "rxcmp/s", "txcmp/s"
)
# fmt: on
"""Of a section the last ones go first where a terminal has no room for all."""
EXTENDED = {
    "rd_merged": "rrqm/s",
    "wr_merged": "wrqm/s",
    "ds_merged": "drqm/s",
    "rd_failed": "rerr/s",
    "wr_failed": "werr/s",
    "fl_failed": "ferr/s",
    "ds_failed": "derr/s",
    "errs": "oo/s",
    "rx_fifo": "rxfifo/s",
    "rx_frame": "rxfram/s",
    "rx_multicast": "rxmcst/s",
    "rx_compressed": "rxcmp/s",
    "tx_fifo": "txfifo/s",
    "tx_carrier": "txcarr/s",
    "tx_colls": "coll/s",
    "tx_compressed": "txcmp/s",
}
"""Headings of fields that only the extended table has."""
OPERATIONS = {"r": "rd", "w": "wr", "f": "fl", "d": "ds"}


class Column(NamedTuple):
    """A number of each row."""

    heading: str
    """In kB."""
    value: Value
    """In bytes where `is_bytes`, else in what the heading says."""
    is_bytes: bool = False
    is_optional: bool = False
    """Left out where no row has the number."""

    @property
    def worth(self) -> int:
        """The more, the longer it stays."""
        return -WORTH.index(self.heading)


def columns(section: Section, *, extended: bool = False) -> list[Column]:
    """The columns of a section, in their order."""
    found = {column.heading: column for column in _of_fields(section)}
    if not extended:  # %util comes last, as in iostat
        return sorted(found.values(), key=lambda column: column.heading == "%util")
    found |= {column.heading: column for column in _extended(section)}
    order = BLOCK_ORDER if section.name == "block" else INTERFACE_ORDER
    return sorted(found.values(), key=lambda column: order.index(column.heading))


def _of_fields(section: Section) -> Iterator[Column]:
    for field in section.numbers:
        if field.heading is None:
            continue
        if field.unit == "bytes":
            yield Column(field.heading, _scaled(field, 1.0), is_bytes=True)
        else:
            yield Column(field.heading, _scaled(field, field.scale or 1.0))


def _extended(section: Section) -> Iterator[Column]:
    fields = {field.name: field for field in section.numbers}
    for name, heading in EXTENDED.items():
        if name in fields:
            yield Column(heading, _scaled(fields[name], 1.0), is_optional=True)
    if section.name == "interface":
        for way in ("rx", "tx"):
            yield Column(f"{way}pck-sz", _ratio(fields[f"{way}_bytes"], fields[f"{way}_packets"], 1.0))
        return
    for letter, operation in OPERATIONS.items():
        requests = fields[f"{operation}_req"]
        yield Column(f"{letter}_await", _ratio(fields[f"{operation}_time"], requests, 1e-6))
        if letter != "f":
            yield Column(f"{letter}areq-sz", _ratio(fields[f"{operation}_bytes"], requests, 1 / 1024))
            yield Column(f"%{letter}rqm", _share(fields[f"{operation}_merged"], requests), is_optional=True)
    yield Column("inval/s", _invalid(fields), is_optional=True)


def _scaled(field: Field, scale: float) -> Value:
    # The kernel counts busy time in timer ticks, which do not fall on the reads: 100.3 % would mean nothing.
    most = 100.0 if field.name == "busy_time" else float("inf")

    def value(row: Row) -> float | None:
        rate = row.rate(field)
        return None if rate is None else min(rate * scale, most)

    return value


def _ratio(above: Field, below: Field, scale: float) -> Value:
    """The mean of what each request or packet had; 0 without any, as in iostat."""

    def value(row: Row) -> float | None:
        rate, requests = row.rate(above), row.rate(below)
        if rate is None or requests is None:
            return None
        return rate / requests * scale if requests else 0.0

    return value


def _share(merged: Field, requests: Field) -> Value:
    def value(row: Row) -> float | None:
        part, rest = row.rate(merged), row.rate(requests)
        if part is None or rest is None:
            return None
        return 100 * part / (part + rest) if part + rest else 0.0

    return value


def _invalid(fields: dict[str, Field]) -> Value:
    def value(row: Row) -> float | None:
        rates = [row.rate(fields[f"{operation}_invalid"]) for operation in OPERATIONS.values()]
        known = [rate for rate in rates if rate is not None]
        return sum(known) if known else None

    return value
