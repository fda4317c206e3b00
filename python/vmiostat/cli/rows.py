"""What a report is made of: the rows of two tables, before they become text."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from vmiostat import BLOCK_FIELDS, INTERFACE_FIELDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmiostat import BlockRates, BlockStats, Field, InterfaceRates, InterfaceStats, Rates, Sample


@dataclass(frozen=True, eq=False)
class Kind:
    """A kind of devices: its name in the API, its name for readers, and the fields that its rows have."""

    name: Literal["block", "interface"]
    title: str
    fields: tuple[Field, ...]

    @cached_property
    def numbers(self) -> tuple[Field, ...]:
        """The fields that say something of the device."""
        return tuple(field for field in self.fields if field.kind != "row")

    @cached_property
    def rated(self) -> tuple[Field, ...]:
        """Those of them that have a rate: a gauge's would be the same number twice."""
        return tuple(field for field in self.numbers if field.kind == "counter")

    @cached_property
    def active(self) -> tuple[Field, ...]:
        """Those that are 0 while the device does nothing: all but sizes, which are gauges of bytes."""
        return tuple(field for field in self.numbers if field.kind == "counter" or field.unit != "bytes")


BLOCK = Kind("block", "Device", BLOCK_FIELDS)
INTERFACE = Kind("interface", "Interface", INTERFACE_FIELDS)


class Row(NamedTuple):
    """One device in one report."""

    domain: str
    device: str
    stats: BlockStats | InterfaceStats
    rates: BlockRates | InterfaceRates

    def rate(self, field: Field) -> float | None:
        """A counter's growth a second, or a gauge as it is."""
        number: float | None = getattr(self.rates, field.name)
        return number

    def total(self, field: Field) -> int | None:
        """The field as the device has it now; None where its source does not know it."""
        number: int = getattr(self.stats, field.name)
        return None if number == -1 else number

    def idle(self, kind: Kind) -> bool:
        """Whether nothing moved, so far as anyone can know: of a device without counters nobody ever will."""
        quiet = self.rates.state in ("ok", "unsupported")
        return quiet and not any(self.rate(field) for field in kind.active)


class Report(NamedTuple):
    """What happened between two samples, or since the machine started."""

    time: float
    """When, on the wall clock: seconds since 1970."""
    since_boot: bool
    rows: dict[Kind, list[Row]]


class Form(Protocol):
    """What makes text of reports: a table, JSON, CSV."""

    def start(self) -> str:
        """What stands before the first report."""

    def report(self, report: Report) -> str:
        """One report, its line ends included."""


def report(sample: Sample, rates: Rates, kinds: Sequence[Kind], *, since_boot: bool, hide_idle: bool) -> Report:
    """A report of the asked kinds."""
    rows: dict[Kind, list[Row]] = {}
    for kind in kinds:
        stats = sample.block if kind is BLOCK else sample.interface
        made = map(Row, stats.domains, stats.devices, stats, rates.block if kind is BLOCK else rates.interface)
        rows[kind] = [row for row in made if not (hide_idle and row.idle(kind))]
    return Report(time.time(), since_boot, rows)


def iso_time(seconds: float, timespec: str = "microseconds") -> str:
    """The wall clock's time with its offset: 2026-07-01T12:00:00.250000+02:00."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().isoformat(timespec=timespec)
