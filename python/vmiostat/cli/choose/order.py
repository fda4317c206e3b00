"""`--sort` and `--limit`: which rows come first, and how many there are."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmiostat.cli.rows import Row, Section

NAMES = ("domain", "device")


@dataclass(frozen=True)
class Order:
    """Sorts and cuts the rows of a section."""

    field: str | None = None
    """A name of NAMES, a field, or a heading of the table (r_await). A section without it keeps its order."""
    reverse: bool = False
    """Numbers begin with the highest, names with A; reversed with the lowest, and with Z."""
    limit: int | None = None

    def __call__(self, section: Section, rows: list[Row]) -> list[Row]:
        """The rows in this order. Those without the number come last."""
        if self.field in NAMES:
            rows = sorted(rows, key=lambda row: getattr(row, str(self.field)), reverse=self.reverse)
        elif self.field is not None and (value := values(section).get(self.field)) is not None:
            sign = 1 if self.reverse else -1
            known = [(number, row) for row in rows if (number := value(row)) is not None]
            known.sort(key=lambda pair: sign * pair[0])
            rows = [row for _, row in known] + [row for row in rows if value(row) is None]
        return rows[: self.limit]


def values(section: Section) -> dict[str, Callable[[Row], float | None]]:
    """What each word of `--sort` stands for in a section."""
    from vmiostat.cli.table.columns import columns

    by_name: dict[str, Callable[[Row], float | None]] = {}
    for field in section.numbers:
        by_name[field.name] = lambda row, field=field: row.rate(field)  # type: ignore[misc]
    for column in columns(section, extended=True):
        by_name.setdefault(column.heading, column.value)
    return by_name


def order(text: str | None, limit: int | None) -> Order:
    """That of the options. Raises ArgumentTypeError for a field that does not exist."""
    if text is None:
        return Order(limit=limit)
    from vmiostat.cli.rows import BLOCK, INTERFACE

    name = text.removeprefix("-")
    if name.endswith("/s") and name.removesuffix("/s") in values(BLOCK) | values(INTERFACE):
        name = name.removesuffix("/s")
    if name not in (*NAMES, *values(BLOCK), *values(INTERFACE)):
        raise argparse.ArgumentTypeError(
            f"argument --sort: {name!r} is no field: it is domain, device, a heading of the table such as wkB/s, or "
            "a field of docs/abi.md such as wr_bytes"
        )
    return Order(name, text.startswith("-"), limit)
