"""A report as a JSON object on a line of its own, in raw units."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from vmiostat.cli.names import valid
from vmiostat.cli.rows import iso_time

if TYPE_CHECKING:
    from vmiostat.cli.rows import Report, Row, Section


class JsonLines:
    """`{"time": ..., "since_boot": ..., "block": [ROW, ...], "interface": [ROW, ...]}`.

    A row is `{"domain", "device", "kind", "state", "problem", "interval", "time_ns", "generation", "rates": {...},
    "counters": {...}}`: rates are growth per second over `interval` seconds, counters the fields as they are now. Both
    have the names and units of the field table; null is unknown, and `state` and `problem` say why.
    """

    def start(self) -> str:
        """No header."""
        return ""

    def report(self, report: Report) -> str:
        """One line."""
        rows = {section.name: [self._row(section, row) for row in rows] for section, rows in report.rows.items()}
        return line({"time": iso_time(report.time), "since_boot": report.since_boot} | rows)

    def _row(self, section: Section, row: Row) -> dict[str, Any]:
        return {
            "domain": valid(row.domain),
            "device": valid(row.device),
            "kind": row.kind,
            "state": row.rates.state,
            "problem": None if row.problem is None else valid(row.problem),
            "interval": row.rates.interval,
            "time_ns": None if row.stats.time_ns == -1 else row.stats.time_ns,
            "generation": None if row.stats.generation == -1 else row.stats.generation,
            "rates": {field.name: row.rate(field) for field in section.rated},
            "counters": {field.name: row.total(field) for field in section.numbers},
        }


def line(value: dict[str, Any]) -> str:
    """An object as one line of ASCII, so that no name in it can control a terminal."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False) + "\n"
