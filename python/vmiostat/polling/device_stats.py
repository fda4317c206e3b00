"""The counters of one device, read once. An error is raised here; in a poll of many devices it is a row's state."""

import errno
import os
from collections.abc import Iterable
from dataclasses import replace
from typing import get_args

from vmiostat._core import BlockStats, InterfaceStats, Roots
from vmiostat.counter_sources import WhyNot
from vmiostat.errors import NoCounters, SizeError, SourceError, UnknownDevice
from vmiostat.model import TOTAL, Disk, Domain, Interface
from vmiostat.polling.plan import disks
from vmiostat.polling.poller import fixed_poller


def block_stats(roots: Roots, domain: Domain, target: str | Disk, size: int | None) -> BlockStats:
    """See Domain.block_stats."""
    size = _size(size, BlockStats.SIZE)
    target = str(target) or TOTAL  # in libvirt, an empty path is the whole domain
    disk = next((disk for disk in disks(domain) if disk.target == target), None)
    if disk is None:
        raise _unknown("block device", target, domain, disks(domain))
    with fixed_poller(roots, [replace(domain, disks=(disk,), interfaces=(), total=None)]) as poller:
        stats = poller.poll().block[0]
        _check(stats.state, disk.reason, f"{domain.name} {target}", poller.problem("block", 0))
    return stats.cut(size)


def interface_stats(roots: Roots, domain: Domain, target: str | Interface, size: int | None) -> InterfaceStats:
    """See Domain.interface_stats."""
    size = _size(size, InterfaceStats.SIZE)
    target = str(target)
    nic = next((nic for nic in domain.interfaces if nic.target == target), None)
    if nic is None:
        raise _unknown("interface", target, domain, domain.interfaces)
    alone = replace(domain, disks=(), interfaces=(nic,), total=None)
    # Not "auto": finding the cheapest source costs more than this one read.
    with fixed_poller(roots, [alone], interface_source="proc") as poller:
        stats = poller.poll().interface[0]
        _check(stats.state, nic.reason, f"{domain.name} {target}", poller.problem("interface", 0))
    return stats.cut(size)


def _size(size: int | None, limit: int) -> int:
    if size is None:
        return limit
    if not 0 <= size <= limit:
        raise SizeError(f"size must be 0 to {limit} (the newest struct), but {size} was asked for")
    return size


def _unknown(kind: str, target: str, domain: Domain, devices: Iterable[Disk | Interface]) -> UnknownDevice:
    there_are = ", ".join(map(str, devices)) or "none"
    return UnknownDevice(f"domain {domain.name!r} has no {kind} {target!r}; there are: {there_are}")


def _check(state: str, reason: str, device: str, problem: OSError | None) -> None:
    """Raises the error behind a row's state."""
    if state == "ok":
        return
    if problem is None and state in get_args(WhyNot):
        raise NoCounters(f"{device}: {reason}")
    known = f"; {reason}" if reason else ""
    if problem is None or problem.errno is None:
        raise SourceError(f"{device}: {problem or os.strerror(errno.ENODEV)}{known}")
    raise SourceError(problem.errno, f"{device}: {problem.strerror}{known}", problem.filename)
