"""A report as a table for people, as iostat prints it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from vmiostat.cli.names import cell, width
from vmiostat.cli.rows import iso_time

if TYPE_CHECKING:
    from vmiostat import Field
    from vmiostat.cli.rows import Report, Row, Section

NARROWEST = 6
"""The least width of a number's column: 999.99."""


class Table:
    """Formats one report after the other. A column widens where a name or number needs it, and stays wide."""

    def __init__(self, heading: str, *, fractions: bool = False) -> None:
        self._heading = heading
        self._fractions = fractions
        self._widths: dict[Section, list[int]] = {}

    def start(self) -> str:
        """The line before the first report."""
        return self._heading + "\n"

    def report(self, report: Report) -> str:
        """The time, and a table for each section that has rows."""
        tables = [self._table(section, rows) for section, rows in report.rows.items() if rows]
        return "\n".join(["", self._time(report), *tables])

    def _time(self, report: Report) -> str:
        now = iso_time(report.time, "milliseconds" if self._fractions else "seconds")
        # A captured machine may not say when it started: then no row has a rate.
        rated = any(row.rates.state != "new" for rows in report.rows.values() for row in rows)
        return f"{now}  (since boot)\n" if report.since_boot and rated else f"{now}\n"

    def _table(self, section: Section, rows: list[Row]) -> str:
        # %util comes last, as in iostat.
        fields = sorted((field for field in section.fields if field.heading is not None), key=_percent)
        # The last column, only where a row is not ok: most reports are narrower without it.
        states = any(row.rates.state != "ok" for row in rows)
        lines = [["Domain", section.title, *(str(field.heading) for field in fields), *(["State"] * states)]]
        for row in rows:
            state = [_state(row)] * states
            lines.append(
                [cell(row.domain), cell(row.device), *(number(row.rate(field), field) for field in fields), *state]
            )
        numbers = range(2, 2 + len(fields))
        widths = self._widths.setdefault(section, [0, 0] + [NARROWEST] * len(fields))
        widths[:] = [max(least, *(width(line[column]) for line in lines)) for column, least in enumerate(widths)]
        text = ""
        for line in lines:
            for column, least in enumerate(widths):
                gap = " " * (least - width(line[column]))
                line[column] = gap + line[column] if column in numbers else line[column] + gap
            text += " ".join(line).rstrip() + "\n"
        return text


def _state(row: Row) -> str:
    """Why the row has no rates, and how old a stale answer is: "stale 12s"."""
    if row.rates.state == "stale" and row.stats.time_ns != -1:
        return f"stale {max(0, time.monotonic_ns() - row.stats.time_ns) // 10**9}s"
    return row.rates.state.replace("ok", "")


def number(rate: float | None, field: Field) -> str:
    """A rate in its column: scaled to what the heading says, "-" where it is unknown."""
    if rate is None:
        return "-"
    value = rate * (1.0 if field.scale is None else field.scale)
    # The kernel counts busy time in timer ticks, which do not fall on the reads: 100.3 % would mean nothing.
    return f"{min(value, 100.0) if _percent(field) else value:.2f}"


def _percent(field: Field) -> bool:
    return field.heading is not None and field.heading.startswith("%")
