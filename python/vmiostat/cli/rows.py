"""A report before it is formatted: the rows of two sections."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from vmiostat import BLOCK_FIELDS, INTERFACE_FIELDS
from vmiostat.cli.output import sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmiostat import (
        BlockRates,
        BlockStats,
        Disk,
        Field,
        Interface,
        InterfaceRates,
        InterfaceStats,
        Poller,
        Rates,
        Sample,
    )


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


class Row(NamedTuple):
    """One device in one report."""

    domain: str
    device: str
    kind: str
    """disk, interface or total."""
    stats: BlockStats | InterfaceStats
    rates: BlockRates | InterfaceRates
    problem: str | None = None
    """Why it has no counters; a sentence."""

    def rate(self, field: Field) -> float | None:
        """Growth per second of a counter; a gauge as it is."""
        number: float | None = getattr(self.rates, field.name)
        return number

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


class Form(Protocol):
    """Formats reports: as a table, JSON or CSV."""

    def start(self) -> str:
        """The text before the first report."""

    def report(self, report: Report) -> str:
        """One report, with its line ends."""


def report(
    poller: Poller, sample: Sample, rates: Rates, sections: Sequence[Section], *, since_boot: bool, hide_idle: bool
) -> Report:
    """A report with these sections."""
    problems = Problems(poller, sample)
    rows: dict[Section, list[Row]] = {}
    for section in sections:
        stats = sample.block if section is BLOCK else sample.interface
        rated = rates.block if section is BLOCK else rates.interface
        made = map(Row, stats.domains, stats.devices, stats.kinds, stats, rated)
        explained = (
            row if row.stats.state == "ok" else row._replace(problem=problems.of(section, number))
            for number, row in enumerate(made)
        )
        rows[section] = [row for row in explained if not (hide_idle and row.idle(section))]
    return Report(time.time(), since_boot, rows)


class Problems:
    """Why rows of a sample have no counters: the error behind the state, or the reason why there is no source."""

    def __init__(self, poller: Poller, sample: Sample) -> None:
        self._poller = poller
        self._sample = sample

    def of(self, section: Section, row: int) -> str | None:
        """The sentence about this row; None where there is none."""
        problem = self._poller.problem(section.name, row, self._sample.plan)
        if problem is not None:
            return sentence(problem)
        table = self._sample.block if section is BLOCK else self._sample.interface
        return self._reasons.get((table.domains[row], table.devices[row]))

    @cached_property
    def _reasons(self) -> dict[tuple[str, str], str]:
        """Of the devices without a counter source."""
        found: dict[tuple[str, str], str] = {}
        for domain in self._poller.domains:
            disks = domain.disks if domain.total is None else (*domain.disks, domain.total)
            devices: tuple[Disk | Interface, ...] = (*disks, *domain.interfaces)
            for device in devices:
                if device.counter_source is None:
                    found[domain.name, device.target] = device.reason
        return found


def iso_time(seconds: float, timespec: str = "microseconds") -> str:
    """The time of day with its offset: 2026-07-01T12:00:00.250000+02:00."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().isoformat(timespec=timespec)
