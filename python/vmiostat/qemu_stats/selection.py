"""Selects which disks are queried, and how: those that only QEMU counts, or all that QEMU serves."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from vmiostat._core import LatestStats, Roots
from vmiostat.counter_sources import BlockDevice, VmmReported
from vmiostat.discovery.running_process import running_process
from vmiostat.errors import SourceError
from vmiostat.model import Disk, Domain, Process
from vmiostat.qemu_stats.client import Client
from vmiostat.qemu_stats.libvirt_client import LibvirtClient, LibvirtStats
from vmiostat.qemu_stats.qmp_client import QmpClient
from vmiostat.qemu_stats.qmp_socket import qmp_socket
from vmiostat.qemu_stats.query_thread import OnDemand, QueryThread
from vmiostat.qemu_stats.xen_qdisk import is_qdisk, node_names
from vmiostat.resolve.disk import is_served_by_qemu
from vmiostat.system.processes import command_line

BlockSource = Literal["kernel", "qemu"]

DEADLINE = 2.0
"""Seconds that a QEMU may take to answer. A healthy one takes a millisecond."""

Names = dict[str, tuple[str, ...]]
"""The names by which QEMU may know each disk, by the disk's target."""


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of a virtual machine. The counters of its disks start from 0 in the next one."""

    name: str
    uuid: str | None
    id: int | None
    process: Process | None


@dataclass(frozen=True, slots=True)
class _Queried:
    """The queried disks of a run, and the client that queries them; None if there is no way to."""

    names: Names
    latest_stats: dict[str, LatestStats]
    """By target."""
    client: Client | None = None


class QemuStats:
    """Queries the QEMUs of some domains for the counters of their disks, outside all polls, until it is closed.

    `interval` is in seconds, or "on demand": then only `query` queries them. `libvirt` is the URI of a libvirt to query
    about domains whose QEMU has no socket for other clients. Only `query` waits, if its caller wants to.
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
            raise ValueError(
                f"qemu_interval must be a number of seconds above 0, 'on demand' or None, not {interval!r}"
            )
        if block_source not in ("kernel", "qemu"):
            raise ValueError(f"block_source must be 'kernel' or 'qemu', not {block_source!r}")
        self._roots = roots
        self._block_source = block_source
        self._thread = QueryThread(interval, DEADLINE)
        self._libvirt = None if libvirt is None else LibvirtStats(libvirt, roots)
        self._queried: dict[_Run, _Queried] = {}

    def attach(self, domains: Iterable[Domain]) -> list[Domain]:
        """Returns the domains with VmmReported as the counter source of each queried disk.

        From now on these domains are queried, and no others. One that was there before, unchanged, keeps its latest
        stats.
        """
        before, self._queried = self._queried, {}
        attached = [self._attach(domain, before) for domain in domains]
        self._thread.set_clients(one.client for one in self._queried.values() if one.client is not None)
        return attached

    def query(self, wait: float = 0.0) -> bool:
        """Queries all of them now; returns whether each has answered or failed within `wait` seconds."""
        return self._thread.query(wait)

    def close(self) -> None:
        """Ends all queries. A call to libvirt that has not returned does not keep the process from ending."""
        self._thread.close()
        if self._libvirt is not None:
            self._libvirt.close()

    def _attach(self, domain: Domain, before: dict[_Run, _Queried]) -> Domain:
        disks = [disk for disk in domain.disks if self._is_queried(disk, domain)]
        if not disks:
            return domain
        run = _Run(domain.name, domain.uuid, domain.id, domain.process)
        names = {disk.target: _names(disk, domain) for disk in disks}
        queried = before.get(run)
        # There may have been no client only because this process had no descriptor left.
        if queried is None or queried.client is None or queried.names != names:
            queried = self._select_client(domain, names, {} if queried is None else queried.latest_stats)
        self._queried[run] = queried
        return replace(domain, disks=tuple(_attach_disk(disk, queried) for disk in domain.disks))

    def _is_queried(self, disk: Disk, domain: Domain) -> bool:
        wanted = disk.counter_source is None or self._block_source == "qemu"
        if domain.type == "xen":  # blkback and driver domains serve disks without QEMU
            return wanted and is_qdisk(disk, domain, self._roots)
        return wanted and is_served_by_qemu(disk, domain)

    def _select_client(self, domain: Domain, names: Names, before: dict[str, LatestStats]) -> _Queried:
        """Selects the client. The latest stats of one with the same name are carried over."""
        path = self._qmp_socket(domain)
        if path is not None:
            shown = path.encode("utf-8", "surrogatepass").decode(errors="backslashreplace")
            latest_stats = _latest_stats(f"QMP {shown}", names, before)
            qemu_names = {latest: names[target] for target, latest in latest_stats.items()}
            devices = {disk.target: disk.counter_source for disk in domain.disks}
            kernel = {
                latest: device
                for target, latest in latest_stats.items()
                if isinstance(device := devices[target], BlockDevice)
            }
            client = QmpClient(path, self._roots, qemu_names, domain.process, kernel)
            return _Queried(names, latest_stats, client)
        if self._libvirt is not None and domain.uuid is not None and domain.provider.startswith("libvirt"):
            latest_stats = _latest_stats("libvirt", names, before)
            targets = {latest: target for target, latest in latest_stats.items()}
            return _Queried(names, latest_stats, LibvirtClient(self._libvirt, domain.uuid, domain.process, targets))
        latest_stats = _latest_stats("QEMU", names, before)
        for latest in latest_stats.values():
            latest.refused(_why_no_client(domain))
        return _Queried(names, latest_stats)

    def _qmp_socket(self, domain: Domain) -> str | None:
        """The path of a QMP socket of the domain's QEMU, as QEMU sees it."""
        if domain.process is None or running_process(domain.process.pid, self._roots) != domain.process:
            return None
        pid = domain.process.pid
        try:
            words = command_line(pid, self._roots)
        except SourceError:
            return None
        path = qmp_socket(words)
        return path if path is None or path.startswith("/") else f"/proc/{pid}/cwd/{path}"


def _attach_disk(disk: Disk, queried: _Queried) -> Disk:
    if disk.target not in queried.names:
        return disk
    if queried.client is None and disk.counter_source is not None:  # the kernel's counters are better than none
        return disk
    return replace(disk, counter_source=VmmReported(queried.latest_stats[disk.target]))


def _names(disk: Disk, domain: Domain) -> tuple[str, ...]:
    if domain.type == "xen":
        return node_names(disk)
    opens = disk.source if disk.source is not None and disk.source.startswith("/") else None
    return tuple(dict.fromkeys(filter(None, (disk.alias, disk.target, opens))))


def _latest_stats(client: str, targets: Iterable[str], before: dict[str, LatestStats]) -> dict[str, LatestStats]:
    same = {target: latest for target, latest in before.items() if latest.client == client}
    return {target: same.get(target) or LatestStats(client) for target in targets}


def _why_no_client(domain: Domain) -> str:
    if domain.process is None:
        return (
            "its process is unknown, and so is its QMP socket: run as root, or name a libvirt to query instead "
            "(Host(libvirt=URI), vmiostat -c URI)"
        )
    return (
        "it has no QMP socket for other clients (add one with -qmp unix:PATH,server=on,wait=off; in a libvirt domain's "
        "XML with <qemu:commandline>), and no libvirt was named to query instead (Host(libvirt=URI), vmiostat -c URI)"
    )
