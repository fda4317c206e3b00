"""A report as a table for people, as iostat prints it."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from vmiostat.cli.names import cell, width
from vmiostat.cli.rows import iso_time
from vmiostat.cli.table.columns import columns
from vmiostat.cli.table.fit import clipped, fit, wrapped
from vmiostat.cli.table.notes import ONLY_HERE, Notes
from vmiostat.cli.table.units import Units

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmiostat.cli.rows import Report, Row, Section
    from vmiostat.cli.table.columns import Column

NARROWEST = 6
"""The least width of a number's column: 999.99."""
REMEMBERED = 5
"""Reports after which a column that has become narrower shrinks: at once would make all columns move too often."""


class Style(NamedTuple):
    """The options for a table."""

    extended: bool = False
    units: Units = Units()
    fractions: bool = False
    """Whether times have milliseconds."""
    times: bool = False
    """Whether each line has its time and kind."""
    queries: bool = False
    """Whether QEMU is queried."""


class Table:
    """Formats one report after the other, each within the width of the terminal, if there is one."""

    def __init__(
        self,
        heading: str,
        style: Style = Style(),  # noqa: B008  it cannot change
        *,
        room: Callable[[], int | None] = lambda: None,
        named: Callable[[Row], str] = lambda row: row.domain,
    ) -> None:
        self._heading, self._style, self._room, self._named = heading, style, room, named
        self._notes = Notes(queries=style.queries)
        self._widths: dict[tuple[Section, str], deque[int]] = {}

    def start(self) -> str:
        """The line before the first report."""
        return clipped(self._heading, self._room()) + "\n"

    def report(self, report: Report) -> str:
        """The time, and a table for each section that has rows."""
        room = self._room()
        tables = [self._table(section, rows, report, room) for section, rows in report.rows.items() if rows]
        return "\n".join(["", clipped(self._time(report), room) + "\n", *tables])

    def _time(self, report: Report) -> str:
        if report.average:
            return "Average:"
        now = iso_time(report.time, "milliseconds" if self._style.fractions else "seconds")
        rows = [row for rows in report.rows.values() for row in rows]
        # A captured machine may not say when it started: then no row has a rate.
        if not report.since_boot or all(row.rates.state == "new" for row in rows):
            return now
        own = any(row.age is not None for row in rows)
        return f"{now}  (since boot{', VMs since their start' * own})"

    def _table(self, section: Section, rows: list[Row], report: Report, room: int | None) -> str:
        style = self._style
        numbers = [
            (column, [column.value(row) for row in rows]) for column in columns(section, extended=style.extended)
        ]
        numbers = [(column, values) for column, values in numbers if not column.is_optional or _any_known(values)]
        texts = [self._texts(section, column, values) for column, values in numbers]
        times = self._times(rows, report) if style.times else []
        # The last column, only where a row has such a state: most reports are narrower without it.
        states = [_state(row) for row in rows]
        last = [["State", *states]] if any(states) else []

        names = [self._named(row) for row in rows], [row.device for row in rows]
        titles = ("Domain", section.title)
        widths = [
            self._width(section, title, [title, *map(cell, its)]) for title, its in zip(titles, names, strict=True)
        ]
        number_widths = [self._width(section, text[0], text, NARROWEST) for text in texts]
        others = [self._width(section, text[0], text) for text in times + last]
        worths = [column.worth for column, _ in numbers]
        fits = fit(room, (widths[0], widths[1]), others, list(zip(number_widths, worths, strict=True)))
        shown = [
            [title, *(cell(name, limit) for name in its)]
            for title, its, limit in zip(titles, names, fits[:2], strict=True)
        ]
        text = [_aligned(text, width) for text, width in zip(times, others, strict=False)]
        text += [_aligned(text, min(width, limit)) for text, width, limit in zip(shown, widths, fits[:2], strict=True)]
        text += [_aligned(texts[index], number_widths[index], right=True) for index in fits.numbers]
        text += [_aligned(text, others[-1]) for text in last]
        lines = [" ".join(line).rstrip() for line in zip(*text, strict=True)]
        lines = [clipped(line, room) for line in lines]
        if not report.average:
            lines += [line for note in self._notes.of(section, rows) for line in wrapped(note, room)]
        return "".join(f"{line}\n" for line in lines)

    def _texts(self, section: Section, column: Column, values: list[float | None]) -> list[str]:
        units = self._style.units
        return [units.heading(section, column), *(units.number(section, column, value) for value in values)]

    def _times(self, rows: list[Row], report: Report) -> list[list[str]]:
        now = iso_time(report.time, "milliseconds" if self._style.fractions else "seconds")
        now = "Average:" if report.average else now.partition("T")[2][: -len("+00:00")]
        return [["Time"] + [now] * len(rows), ["Kind", *(row.kind for row in rows)]]

    def _width(self, section: Section, title: str, texts: list[str], least: int = 0) -> int:
        widths = self._widths.setdefault((section, title), deque(maxlen=REMEMBERED))
        widths.append(max(least, *map(width, texts)))
        return max(widths)


def _any_known(values: list[float | None]) -> bool:
    return any(value is not None for value in values)


def _aligned(texts: list[str], least: int, *, right: bool = False) -> list[str]:
    gaps = [" " * (least - width(text)) for text in texts]
    return [gap + text if right else text + gap for text, gap in zip(texts, gaps, strict=True)]


def _state(row: Row) -> str:
    """Why the row has no rates, and how old a stale answer is: "stale 12s". Notes have the rest."""
    if row.rates.state == "stale" and row.stats.time_ns != -1:
        return f"stale {max(0, time.monotonic_ns() - row.stats.time_ns) // 10**9}s"
    return "" if row.rates.state in ("ok", *ONLY_HERE) else row.rates.state
