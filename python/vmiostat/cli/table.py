"""A report as a table for people, as iostat prints it."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from vmiostat.cli.names import cell, one_line, width
from vmiostat.cli.rows import iso_time

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmiostat import Field
    from vmiostat.cli.rows import Report, Row, Section

NARROWEST = 6
"""The least width of a number's column: 999.99."""


_SECONDS = re.compile(r"\b[0-9]+ s\b")
"""How long a problem has lasted is no other problem."""
_MOST_NOTES = 10
"""In one report: the others are in `vmiostat devices`."""
_EXPLAINED = frozenset({"stale", "unsupported", "denied", "missing", "unreadable"})
"""States whose problem says more than their word."""


class Table:
    """Formats one report after the other. A column widens where a name or number needs it, and stays wide."""

    def __init__(self, heading: str, *, fractions: bool = False) -> None:
        self._heading = heading
        self._fractions = fractions
        self._widths: dict[Section, list[int]] = {}
        self._notes: dict[tuple[str, str], str] = {}
        """The last problem that was printed of each row."""

    def start(self) -> str:
        """The line before the first report."""
        return self._heading + "\n"

    def report(self, report: Report) -> str:
        """The time, a table for each section that has rows, and the problems that are new."""
        tables = [self._table(section, rows) for section, rows in report.rows.items() if rows]
        notes = self._new_notes(row for rows in report.rows.values() for row in rows)
        return "\n".join(["", self._time(report), *tables, *(["".join(notes)] if notes else [])])

    def _new_notes(self, rows: Iterable[Row]) -> list[str]:
        """A line for each row with a problem that was not printed the last time."""
        before, self._notes = self._notes, {}
        new = []
        for row in rows:
            if row.problem is None or row.rates.state not in _EXPLAINED:
                continue
            key = (row.domain, row.device)
            self._notes[key] = _SECONDS.sub("", row.problem)
            if before.get(key) != self._notes[key]:
                new.append(f"{row.rates.state}: {cell(row.domain)} {cell(row.device)}: {one_line(row.problem)}\n")
        more = len(new) - _MOST_NOTES
        return new if more <= 0 else [*new[:_MOST_NOTES], f"and {more} more (vmiostat devices has all of them)\n"]

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
