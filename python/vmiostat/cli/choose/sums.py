"""`--sum`: a line for all disks, and one for all interfaces, of each VM."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from vmiostat.cli.rows import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vmiostat import Field
    from vmiostat.cli.rows import Section


class Sum:
    """The sums of one line's fields: as stats -1 where a row lacks the field, as rates None."""

    def __init__(self, values: dict[str, Any], state: str, interval: float | None) -> None:
        self.__dict__.update(values)
        self.state, self.interval = state, interval
        self.time_ns = self.generation = -1  # of no single row

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


def summed(section: Section, rows: Sequence[Row]) -> list[Row]:
    """A row per domain: the sums over its devices that have counters; `total` is not one of them.

    A field that one of these lacks has no sum. Times busy have none either: two disks are busy at the same time.
    """
    return [_sum(section, list(its)) for _, its in groupby(rows, lambda row: row.domain)]


def _sum(section: Section, rows: list[Row]) -> Row:
    devices = [row for row in rows if row.kind != "total"] or rows
    counted = [row for row in devices if any(row.total(field) is not None for field in section.numbers)]
    rated = [row for row in counted if row.rates.state == "ok"]
    noun = "disk" if section.name == "block" else "interface"
    of = f"{len(rated)} of " if len(rated) < len(devices) else ""
    name = f"{of}{len(devices)} {noun}{'s' * (len(devices) != 1)}"
    state = "ok" if rated else devices[0].rates.state
    totals = {field.name: _add(field, counted, Row.total) for field in section.numbers}
    rates = {field.name: _add(field, rated, Row.rate) for field in section.numbers}
    stats = Sum({key: -1 if value is None else value for key, value in totals.items()}, state, None)
    intervals = [row.interval for row in rated if row.interval is not None]
    interval = max(intervals, default=None)
    return Row(rows[0].domain, name, "sum", stats, Sum(rates, state, interval), rows[0].owner)


def _add(field: Field, rows: list[Row], value: Callable[[Row, Field], Any]) -> Any:
    values = [value(row, field) for row in rows]
    return None if field.name == "busy_time" or None in values or not values else sum(values)
