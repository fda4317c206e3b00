"""A report as CSV, a record per device, in raw units."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from vmiostat.cli.names import escaped
from vmiostat.cli.records.record import OWNER, READING, REPORT, Machine, number_names, numbers, owner, reading
from vmiostat.cli.rows import iso_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmiostat.cli.rows import Report, Section


_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How formulas of spreadsheets begin, in full width too. A tab or carriage return would be escaped anyway."""
_FIRST = (*REPORT, "kind", "domain", "device", *READING[:-1])


class CsvRecords:
    """`time,since_boot,kind,domain,device,state,interval,time_ns,generation`, whose it is, then the numbers.

    Counters have their names, rates end in `/s`; both are in the units of the field table. A record leaves the columns
    of other sections empty, and what is unknown: `state` says why. With one section only, its columns alone are there;
    with `fields`, these alone. With `as_text` a name that a spreadsheet would take for a formula has a ' before it, as
    one that begins with a '.
    """

    def __init__(
        self,
        sections: Sequence[Section],
        machine: Machine,
        fields: Sequence[str] = (),
        *,
        as_text: bool = False,
        header: bool = True,
    ) -> None:
        every = [*_FIRST, *(name for name in (*OWNER, *READING) if name not in _FIRST)]
        self._fields = fields or every + [name for section in sections for name in number_names(section)]
        self._machine, self._as_text, self._header = machine, as_text, header

    def start(self) -> str:
        """The header."""
        return _records([self._fields]) if self._header else ""

    def report(self, report: Report) -> str:
        """The records of one report."""
        head = {"time": iso_time(report.time), "since_boot": "true" if report.since_boot else "false"}
        records = []
        for section, rows in report.rows.items():
            for row in rows:
                record = {
                    **head,
                    **owner(row, self._machine, self._text),
                    **reading(row, self._text),
                    **numbers(section, row),
                }
                records.append([record.get(name) for name in self._fields])
        return _records(records)

    def _text(self, text: str) -> str:
        return "'" * (self._as_text and text.startswith((*_FORMULA, "'"))) + escaped(text)


def _records(records: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(records)
    return text.getvalue()
