"""Counters of a guest from libvirt, to compare with those from vmiostat."""

from dataclasses import replace
from typing import Any

from vmiostat import Domain

GROUPS = 1 << 4 | 1 << 5
"""VIR_DOMAIN_STATS_INTERFACE and VIR_DOMAIN_STATS_BLOCK, without an import of libvirt."""


def known_to_the_kernel(domain: Domain) -> Domain:
    """The domain, with only the devices that the kernel counts."""
    return replace(
        domain,
        disks=tuple(disk for disk in domain.disks if disk.counter_source is not None),
        interfaces=tuple(nic for nic in domain.interfaces if nic.counter_source is not None),
        total=None,  # libvirt has no such thing
    )


def libvirt_stats(device: str, stats: dict[str, Any]) -> tuple[int, ...]:
    """An interface's counters from getAllDomainStats, in the order of libvirt's struct."""
    [n] = [n for n in range(stats["net.count"]) if stats.get(f"net.{n}.name") == device]
    return tuple(
        stats[f"net.{n}.{direction}.{key}"] for direction in ("rx", "tx") for key in ("bytes", "pkts", "errs", "drop")
    )
