"""Makes a report of two samples: its rows, each with its domain, in the order that the options ask for."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vmiostat.cli.choose.order import Order
from vmiostat.cli.choose.sums import summed
from vmiostat.cli.output import sentence
from vmiostat.cli.reporting.since import age
from vmiostat.cli.rows import BLOCK, INTERFACE, Report, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmiostat import Disk, Domain, Interface, Poller, Rates, Sample
    from vmiostat.cli.rows import Section
    from vmiostat.cli.table.average import Averages


@dataclass
class RowReader:
    """Makes the reports of a poller."""

    poller: Poller
    sections: Sequence[Section]
    hide_idle: bool = False
    sum: bool = False
    order: Order = field(default_factory=Order)
    averages: Averages | None = None
    """What adds the reports up, if anything does."""

    def __post_init__(self) -> None:
        self._domains: tuple[Domain, ...] = ()
        self._owners: dict[str, Domain] = {}
        self._devices: dict[tuple[Section, str, str], Disk | Interface] = {}

    def report(self, sample: Sample, rates: Rates, *, since_boot: bool) -> Report:
        """The report of a sample and its rates."""
        self._update()
        rows = {section: list(self._rows(section, sample, rates, since_boot)) for section in self.sections}
        if self.sum:
            rows = {section: summed(section, its) for section, its in rows.items()}
        if self.averages is not None and not since_boot:
            self.averages.add(rows)
        return Report(time.time(), since_boot, self._shown(rows))

    def average(self) -> Report | None:
        """The means over the reports of intervals; None before there are two."""
        if self.averages is None or self.averages.reports < 2:
            return None
        return Report(time.time(), False, self._shown(self.averages.rows(self.sections)), average=True)

    def _shown(self, rows: dict[Section, list[Row]]) -> dict[Section, list[Row]]:
        return {
            section: self.order(section, [row for row in its if not (self.hide_idle and row.idle(section))])
            for section, its in rows.items()
        }

    def _rows(self, section: Section, sample: Sample, rates: Rates, since_boot: bool) -> Sequence[Row]:
        stats = sample.block if section is BLOCK else sample.interface
        rated = rates.block if section is BLOCK else rates.interface
        rows = []
        for number, row in enumerate(map(Row, stats.domains, stats.devices, stats.kinds, stats, rated)):
            owner = self._owners.get(row.domain)
            about = self._devices.get((section, row.domain, row.device))
            lived = age(owner, about, row.rates.interval) if since_boot else None
            problem = None if row.rates.state == "ok" else self._problem(section, number, sample.plan, about)
            rows.append(row._replace(owner=owner, about=about, age=lived, problem=problem))
        return rows

    def _problem(self, section: Section, row: int, plan: int, about: Disk | Interface | None) -> str | None:
        """The error behind the state, else the reason why there is no source."""
        problem = self.poller.problem(section.name, row, plan)
        if problem is not None:
            return sentence(problem)
        return about.reason or None if about is not None and about.counter_source is None else None

    def _update(self) -> None:
        """The current domains. The plan may be newer than the sample: then a row that is gone has no domain."""
        if (domains := self.poller.domains) is self._domains:
            return
        self._domains = domains
        self._owners = {domain.name: domain for domain in domains}
        self._devices = {}
        for domain in domains:
            for disk in (*domain.disks, *((domain.total,) if domain.total else ())):
                self._devices[BLOCK, domain.name, disk.target] = disk
            for nic in domain.interfaces:
                self._devices[INTERFACE, domain.name, nic.target] = nic
