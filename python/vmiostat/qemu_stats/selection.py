"""Who is asked about which disks: those that only their QEMU counts, or all of a QEMU's."""

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from vmiostat._core import LatestStats, Roots
from vmiostat.counter_sources import VmmReported
from vmiostat.discovery.vmm.command_line import CommandLine
from vmiostat.discovery.vmm.qemu import command_line as qemu_command_line
from vmiostat.errors import SourceError
from vmiostat.model import Disk, Domain, Process
from vmiostat.qemu_stats.client import Client
from vmiostat.qemu_stats.in_flight_limit import InFlightLimit
from vmiostat.qemu_stats.libvirt_client import LibvirtClient, LibvirtStats
from vmiostat.qemu_stats.qmp_client import QmpClient
from vmiostat.qemu_stats.qmp_socket import qmp_socket
from vmiostat.qemu_stats.query_thread import OnDemand, QueryThread
from vmiostat.qemu_stats.xen_qdisk import is_qdisk, node_names
from vmiostat.system.processes import command_line, process

BlockSource = Literal["kernel", "qemu"]

DEADLINE = 2.0
"""Seconds that a QEMU may take for its answer. One that is well needs a millisecond."""

_AT_ONCE = 32
"""QEMUs that are asked at once over their own sockets."""

_QEMU = frozenset({"kvm", "qemu", "hvf", "xen"})
"""Types of domains whose disks a QEMU may serve."""

_NOT_QEMU_S = frozenset({"vhostuser", "vhostvdpa"})
"""Types of disks whose requests QEMU never sees."""


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of a virtual machine: its disks' counters start anew with the next one."""

    name: str
    uuid: str | None
    id: int | None
    process: Process | None


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked about a run, and where the answers go."""

    disks: dict[str, tuple[str, ...]]
    """By its target, what QEMU may call each disk."""
    reports: dict[str, LatestStats]
    """By target, too; one that is not there is not asked about."""
    asker: Client | None = None


class QemuStats:
    """Asks the QEMUs of some domains about their disks, beside all polls, until it is closed.

    `interval` is in seconds, or "on demand": then only `ask` asks. `libvirt` is the URI of a libvirt that may be asked
    about domains whose QEMU has no socket to give. Nothing here waits for anybody but `ask`, for as long as it is told.
    """

    def __init__(
        self,
        roots: Roots,
        interval: float | OnDemand,
        *,
        block_source: BlockSource = "kernel",
        libvirt: str | None = None,
    ) -> None:
        valid = interval == "on demand" if isinstance(interval, str) else 0 < interval < math.inf
        if not valid:
            raise ValueError(f"qemu_interval is a number of seconds above 0, 'on demand' or None, not {interval!r}")
        if block_source not in ("kernel", "qemu"):
            raise ValueError(f"block_source is 'kernel' or 'qemu', not {block_source!r}")
        self._roots = roots
        self._block_source = block_source
        self._rounds = QueryThread(interval, DEADLINE)
        self._slots = InFlightLimit(_AT_ONCE)
        self._libvirt = None if libvirt is None else LibvirtStats(libvirt, roots)
        self._known: dict[_Run, _Asked] = {}

    def reported(self, domains: Iterable[Domain]) -> list[Domain]:
        """The domains with what is asked of their disks as `counters`. From now on these are asked, and no others.

        A domain that was here before and has not changed keeps its answers.
        """
        known, self._known = self._known, {}
        found = [self._reported(domain, known) for domain in domains]
        self._rounds.set(asked.asker for asked in self._known.values() if asked.asker is not None)
        return found

    def ask(self, wait: float = 0.0) -> bool:
        """Asks all of them now; whether each has answered, or failed to, within `wait` seconds."""
        return self._rounds.ask(wait)

    def close(self) -> None:
        """Asks no more. A call to libvirt that has not returned sleeps on, and keeps no process from ending."""
        self._rounds.close()
        if self._libvirt is not None:
            self._libvirt.end()

    def _reported(self, domain: Domain, known: dict[_Run, _Asked]) -> Domain:
        wanted = [disk for disk in domain.disks if self._is_wanted(disk, domain)]
        if not wanted:
            return domain
        run = _Run(domain.name, domain.uuid, domain.id, domain.process)
        names = {disk.target: _names(disk, domain) for disk in wanted}
        asked = known.get(run)
        # Where nobody can be asked, that may have been for want of a descriptor.
        if asked is None or asked.asker is None or asked.disks != names:
            asked = self._asked(domain, names, {} if asked is None else asked.reports)
        self._known[run] = asked
        return replace(domain, disks=tuple(self._with_report(disk, asked) for disk in domain.disks))

    def _with_report(self, disk: Disk, asked: _Asked) -> Disk:
        # Where nobody may be asked, what the kernel counts is better than nothing.
        nobody = asked.asker is None and disk.counter_source is not None
        report = None if nobody or disk.target not in asked.disks else asked.reports[disk.target]
        return disk if report is None else replace(disk, counter_source=VmmReported(report))

    def _is_wanted(self, disk: Disk, domain: Domain) -> bool:
        asked = disk.counter_source is None or self._block_source == "qemu"
        if domain.type == "xen":  # blkback's disks are none of QEMU's, nor what a driver domain serves
            return asked and is_qdisk(disk, domain, self._roots)
        return asked and domain.type in _QEMU and disk.type not in _NOT_QEMU_S and disk.device != "filesystem"

    def _asked(self, domain: Domain, disks: dict[str, tuple[str, ...]], before: dict[str, LatestStats]) -> _Asked:
        """Who is asked about these disks; what was answered before stays."""
        socket = self._socket(domain)
        if socket is not None:
            path, told = socket
            shown = os.fsencode(path).decode(errors="backslashreplace")
            reports = _reports(f"QMP {shown}", disks, before)
            names = {report: disks[target] for target, report in reports.items()}
            return _Asked(disks, reports, QmpClient(path, self._roots, names, self._slots, domain.process, told))
        if self._libvirt is not None and domain.uuid is not None and domain.provider.startswith("libvirt"):
            reports = _reports("libvirt", disks, before)
            targets = {report: target for target, report in reports.items()}
            asker = LibvirtClient(self._libvirt, domain.uuid, domain.process, targets)
            return _Asked(disks, reports, asker)
        reports = _reports("QEMU", disks, before)
        for report in reports.values():
            report.refused(_why_nobody_is_asked(domain))
        return _Asked(disks, reports)

    def _socket(self, domain: Domain) -> tuple[str, CommandLine | None] | None:
        """The path of a QMP socket of the domain's QEMU, as that sees it, and what its command line tells."""
        if domain.process is None or process(domain.process.pid, self._roots) != domain.process:
            return None
        pid = domain.process.pid
        try:
            words = command_line(pid, self._roots)
        except SourceError:
            return None
        path = qmp_socket(words)
        if path is None:
            return None
        return path if path.startswith("/") else f"/proc/{pid}/cwd/{path}", qemu_command_line.command_line(words)


def _names(disk: Disk, domain: Domain) -> tuple[str, ...]:
    """What the domain's QEMU may call the disk."""
    if domain.type == "xen":
        return node_names(disk)
    return tuple(filter(None, (disk.alias, disk.target)))


def _reports(asker: str, targets: Iterable[str], before: dict[str, LatestStats]) -> dict[str, LatestStats]:
    kept = {target: report for target, report in before.items() if report.client == asker}
    return {target: kept.get(target) or LatestStats(asker) for target in targets}


def _why_nobody_is_asked(domain: Domain) -> str:
    if domain.process is None:
        return "its process is not known, and so no QMP socket of it: this takes root, or libvirt (Host(libvirt=URI))"
    return (
        "it has no QMP socket that others may use (-qmp unix:PATH,server=on,wait=off; in a libvirt domain's XML by "
        "<qemu:commandline>), and no libvirt was named to ask in its place (Host(libvirt=URI), vmiostat -c URI)"
    )
