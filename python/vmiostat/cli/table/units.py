"""How a table writes its numbers: in kB, MB, bits, or with the unit that fits each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from vmiostat.cli.rows import Section
    from vmiostat.cli.table.columns import Column

SUFFIXES = ("", "k", "M", "G", "T", "P", "E")


class Units(NamedTuple):
    """The options for numbers."""

    megabytes: bool = False
    human: bool = False
    bits: bool = False
    """For interfaces; 1 kbit is 1000 bits, and 1 kB 1024 bytes."""
    decimals: int = 2

    def heading(self, section: Section, column: Column) -> str:
        """The heading with the unit of its numbers."""
        if not column.is_bytes:
            return column.heading
        prefix = "" if self.human else "M" if self.megabytes else "k"
        return column.heading.replace("kB", prefix + ("bit" if self._in_bits(section) else "B"))

    def number(self, section: Section, column: Column, value: float | None) -> str:
        """A number in its column; "-" where it is unknown."""
        if value is None:
            return "-"
        base = 1024.0
        if column.is_bytes and self._in_bits(section):
            value, base = value * 8, 1000.0
        if self.human:
            return self._with_suffix(value, base if column.is_bytes else 1000.0)
        if column.is_bytes:
            value /= base**2 if self.megabytes else base
        return f"{value:.{self.decimals}f}"

    def _in_bits(self, section: Section) -> bool:
        return self.bits and section.name == "interface"

    def _with_suffix(self, value: float, base: float) -> str:
        power = 0
        while value >= base - 0.5 and power < len(SUFFIXES) - 1:
            value, power = value / base, power + 1
        return f"{value:.{min(self.decimals, 1)}f}{SUFFIXES[power]}"
