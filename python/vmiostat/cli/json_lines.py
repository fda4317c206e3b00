"""A report as a JSON object on a line of its own, in raw units."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from vmiostat.cli.names import valid
from vmiostat.cli.rows import iso_time

if TYPE_CHECKING:
    from vmiostat.cli.rows import Kind, Report, Row


class JsonLines:
    """`{"time": ..., "since_boot": ..., "block": [ROW, ...], "interface": [ROW, ...]}`.

    A row is `{"domain", "device", "state", "interval", "time_ns", "generation", "rates": {...}, "counters": {...}}`:
    rates are the fields' growth a second over `interval` seconds, counters the fields as they are now. Both are in the
    field table's units under its names; null is unknown, and `state` says why.
    """

    def start(self) -> str:
        """Nothing stands before the first report."""
        return ""

    def report(self, report: Report) -> str:
        """One line."""
        rows = {kind.name: [self._row(kind, row) for row in rows] for kind, rows in report.rows.items()}
        return line({"time": iso_time(report.time), "since_boot": report.since_boot} | rows)

    def _row(self, kind: Kind, row: Row) -> dict[str, Any]:
        return {
            "domain": valid(row.domain),
            "device": valid(row.device),
            "state": row.rates.state,
            "interval": row.rates.interval,
            "time_ns": None if row.stats.time_ns == -1 else row.stats.time_ns,
            "generation": None if row.stats.generation == -1 else row.stats.generation,
            "rates": {field.name: row.rate(field) for field in kind.rated},
            "counters": {field.name: row.total(field) for field in kind.numbers},
        }


def line(value: dict[str, Any]) -> str:
    """An object as one line of plain ASCII, so that no name in it can steer a terminal."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False) + "\n"
