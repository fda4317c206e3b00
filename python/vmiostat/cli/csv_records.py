"""A report as CSV, a record per device, in raw units."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from vmiostat.cli.names import escaped
from vmiostat.cli.rows import iso_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmiostat.cli.rows import Report, Section


_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How formulas of spreadsheets begin, in full width too. A tab or carriage return would be escaped anyway."""


class CsvRecords:
    """`time,since_boot,kind,domain,device,state,interval,time_ns,generation`, then counters and rates of each section.

    Counters have their names, rates end in `/s`; both are in the units of the field table. A record leaves the columns
    of other sections empty, and what is unknown: `state` says why. With one section only, its columns alone are there.
    With `as_text` a name that a spreadsheet would take for a formula has a ' before it, as one that begins with a '.
    """

    def __init__(self, sections: Sequence[Section], *, as_text: bool = False) -> None:
        self._sections = sections
        self._as_text = as_text

    def start(self) -> str:
        """The header."""
        names = ["time", "since_boot", "kind", "domain", "device", "state", "interval", "time_ns", "generation"]
        for section in self._sections:
            names += [field.name for field in section.numbers] + [f"{field.name}/s" for field in section.rated]
        return _records([names])

    def report(self, report: Report) -> str:
        """The records of one report."""
        records: list[list[object]] = []
        now = [iso_time(report.time), "true" if report.since_boot else "false"]
        for section, rows in report.rows.items():
            for row in rows:
                names = [self._name(row.domain), self._name(row.device)]
                read = [None if word == -1 else word for word in (row.stats.time_ns, row.stats.generation)]
                record: list[object] = [*now, row.kind, *names, row.rates.state, row.rates.interval, *read]
                for other in self._sections:
                    if other is section:
                        record += [row.total(field) for field in section.numbers]
                        record += [row.rate(field) for field in section.rated]
                    else:
                        record += [None] * (len(other.numbers) + len(other.rated))
                records.append(record)
        return _records(records)

    def _name(self, name: str) -> str:
        return "'" * (self._as_text and name.startswith((*_FORMULA, "'"))) + escaped(name)


def _records(records: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(records)
    return text.getvalue()
