"""The means over all reports of intervals, which a table ends with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmiostat.cli.rows import Row, Section


class Mean:
    """The mean rates of one row: what its counters grew by, per second of the intervals in which that is known."""

    state = "ok"

    def __init__(self, section: Section) -> None:
        self.interval = 0.0
        self._section = section
        self._grown = {field.name: [0.0, 0.0] for field in section.numbers}

    def add(self, row: Row) -> None:
        """Adds the rates of one interval."""
        seconds = row.interval or 0.0
        self.interval += seconds
        for field in self._section.numbers:
            if (rate := row.rate(field)) is not None:
                sums = self._grown[field.name]
                sums[0] += rate * seconds
                sums[1] += seconds

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        grown, seconds = self._grown[name]
        return grown / seconds if seconds else None


class Averages:
    """Adds up reports."""

    def __init__(self) -> None:
        self.reports = 0
        self._rows: dict[tuple[Section, str, str], tuple[Row, Mean]] = {}

    def add(self, rows: dict[Section, list[Row]]) -> None:
        """Adds the rows of one report."""
        self.reports += 1
        for section, its in rows.items():
            for row in its:
                if row.rates.state != "ok":
                    continue
                key = section, row.domain, row.device
                mean = self._rows[key][1] if key in self._rows else Mean(section)
                mean.add(row)
                self._rows[key] = row, mean

    def rows(self, sections: Iterable[Section]) -> dict[Section, list[Row]]:
        """The rows that had rates, each with its mean rates."""
        found: dict[Section, list[Row]] = {section: [] for section in sections}
        for (section, _, _), (row, mean) in self._rows.items():
            found[section].append(row._replace(rates=mean, age=None))
        return found
