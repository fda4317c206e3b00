"""Notes under a table: why rows have no numbers, and what helps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vmiostat.cli.names import cell, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmiostat.cli.rows import Row, Section

ONLY_HERE = ("unsupported", "denied", "missing")
"""States that stay, which the rows themselves do not show."""
EXPLAINED = (*ONLY_HERE, "stale", "unreadable")
"""Those whose problem says more than their word."""
LISTED = 3
"""Rows that a note names at most."""
MOST = 10
"""Notes under one table: the others are in `vmiostat devices`."""
QUERY = "--qemu-interval 10 queries QEMU for disks that only it counts"
_SECONDS = re.compile(r"\b[0-9]+ s\b")
"""How long a problem has lasted is no other problem."""


class Notes:
    """Makes a note for the rows of each state and problem, and again when there are further ones."""

    def __init__(self, *, queries: bool = False) -> None:
        self._helped = queries
        """Whether QEMU is queried, or how to do that has been said."""
        self._last: dict[Section, dict[tuple[str, str], set[tuple[str, str]]]] = {}

    def of(self, section: Section, rows: list[Row]) -> Iterator[str]:
        """The notes that are new."""
        groups: dict[tuple[str, str], list[Row]] = {}
        for row in rows:
            state = row.rates.state
            if state in ONLY_HERE or (state in EXPLAINED and row.problem is not None):
                groups.setdefault((state, _SECONDS.sub("", row.problem or "")), []).append(row)
        before = self._last.get(section, {})
        names = {key: {(row.domain, row.device) for row in its} for key, its in groups.items()}
        self._last[section] = names
        new = [key for key in groups if names[key] - before.get(key, set())]
        for key in new[:MOST]:
            yield _note(key[0], groups[key])
        if len(new) > MOST:
            yield f"and {len(new) - MOST} more (vmiostat devices has all of them)"
        if section.name == "block" and not self._helped and any(state == "unsupported" for state, _ in new):
            self._helped = True
            yield QUERY


def _note(state: str, rows: list[Row]) -> str:
    names = ", ".join(f"{cell(row.domain)} {cell(row.device)}" for row in rows[:LISTED])
    more = f" and {len(rows) - LISTED} more" if len(rows) > LISTED else ""
    problem = rows[0].problem or "`vmiostat devices` shows why"
    return f"{state}: {names}{more}: {one_line(problem)}"
