"""A report as a JSON object on a line of its own, in raw units."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from vmiostat.cli.records.record import Machine, chosen, numbers, owner, reading
from vmiostat.cli.rows import iso_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmiostat.cli.rows import Report, Row, Section


class JsonLines:
    """`{"time": ..., "since_boot": ..., "block": [ROW, ...], "interface": [ROW, ...]}`, as in report.schema.json.

    A row says whose it is and how it was read; then come `rates`, the growth per second over `interval` seconds, and
    `counters`, the fields as they are now. Both have the names and units of the field table; null is unknown, and
    `state` says why. With `fields` a row has only these, and numbers have the names that CSV has for them.
    """

    def __init__(self, machine: Machine, fields: Sequence[str] = ()) -> None:
        self._machine, self._fields = machine, fields

    def start(self) -> str:
        """No header."""
        return ""

    def report(self, report: Report) -> str:
        """One line."""
        head = {"time": iso_time(report.time), "since_boot": report.since_boot}
        rows = {section.name: [self._row(section, row, head) for row in rows] for section, rows in report.rows.items()}
        return line(head | rows)

    def _row(self, section: Section, row: Row, head: dict[str, Any]) -> dict[str, Any]:
        if self._fields:
            flat = {**head, **owner(row, self._machine), **reading(row), **numbers(section, row)}
            return chosen(flat, self._fields)
        return {
            **owner(row, self._machine),
            **reading(row),
            "rates": {field.name: row.rate(field) for field in section.rated},
            "counters": {field.name: row.total(field) for field in section.numbers},
        }


def line(value: dict[str, Any]) -> str:
    """An object as one line of ASCII, so that no name in it can control a terminal."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False) + "\n"
