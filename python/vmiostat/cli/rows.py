"""A report before it is formatted: the rows of two sections."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from vmiostat import BLOCK_FIELDS, INTERFACE_FIELDS

if TYPE_CHECKING:
    from vmiostat import Disk, Domain, Field, Interface


@dataclass(frozen=True, eq=False)
class Section:
    """A part of a report: block devices or interfaces."""

    name: Literal["block", "interface"]
    """Its table in a Sample, and its key in JSON."""
    title: str
    fields: tuple[Field, ...]
    """Those of its structs."""

    @cached_property
    def numbers(self) -> tuple[Field, ...]:
        """The fields that describe the device, not the reading."""
        return tuple(field for field in self.fields if field.kind != "row")

    @cached_property
    def rated(self) -> tuple[Field, ...]:
        """Those of them that have a rate: the rate of a gauge is the gauge."""
        return tuple(field for field in self.numbers if field.kind == "counter")

    @cached_property
    def active(self) -> tuple[Field, ...]:
        """Those that are 0 while the device is idle: all but sizes, which are gauges in bytes."""
        return tuple(field for field in self.numbers if field.kind == "counter" or field.unit != "bytes")


BLOCK = Section("block", "Device", BLOCK_FIELDS)
INTERFACE = Section("interface", "Interface", INTERFACE_FIELDS)


class Stats(Protocol):
    """The fields of a row: BlockStats, InterfaceStats, or sums of several. -1 is unknown."""

    @property
    def time_ns(self) -> int: ...

    @property
    def generation(self) -> int: ...


class Rates(Protocol):
    """The rates of a row: BlockRates, InterfaceRates, sums or means. None is unknown."""

    @property
    def state(self) -> str: ...

    @property
    def interval(self) -> float | None: ...


class Row(NamedTuple):
    """One device in one report."""

    domain: str
    device: str
    kind: str
    """disk, interface, total, or sum: a line for all disks or interfaces of a domain."""
    stats: Stats
    rates: Rates
    owner: Domain | None = None
    """The domain; None where it has ended since."""
    about: Disk | Interface | None = None
    """The device, as discovery found it."""
    problem: str | None = None
    """Why it has no counters; a sentence."""
    age: float | None = None
    """Seconds since its counters were 0, where that is less than `rates.interval`: a VM that started after the host."""

    @property
    def interval(self) -> float | None:
        """Seconds that its rates cover."""
        return self.rates.interval if self.age is None else self.age

    def rate(self, field: Field) -> float | None:
        """Growth per second of a counter; a gauge as it is."""
        number: float | None = getattr(self.rates, field.name)
        if number is None or self.age is None or self.rates.interval is None or field.kind != "counter":
            return number
        return number * self.rates.interval / self.age

    def total(self, field: Field) -> int | None:
        """The field as it is now; None where the source does not have it."""
        number: int = getattr(self.stats, field.name)
        return None if number == -1 else number

    def idle(self, section: Section) -> bool:
        """Whether it is known that nothing has moved. A field that the source does not have does not count."""
        if self.rates.state != "ok":
            return False
        known = [field for field in section.active if self.total(field) is not None]
        return bool(known) and all(self.rate(field) == 0 for field in known)


class Report(NamedTuple):
    """What happened between two samples, or since the machine started."""

    time: float
    """Seconds since 1970."""
    since_boot: bool
    rows: dict[Section, list[Row]]
    average: bool = False
    """Whether its rates are the means over all reports of intervals."""


class Form(Protocol):
    """Formats reports: as a table, JSON or CSV."""

    def start(self) -> str:
        """The text before the first report."""

    def report(self, report: Report) -> str:
        """One report, with its line ends."""


def iso_time(seconds: float, timespec: str = "microseconds") -> str:
    """The time of day with its offset: 2026-07-01T12:00:00.250000+02:00."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().isoformat(timespec=timespec)
