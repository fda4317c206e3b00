"""What vmiostat and libvirt both tell of a guest, so that one can be held against the other."""

from dataclasses import replace
from typing import Any

from vmiostat import Domain

GROUPS = 1 << 4 | 1 << 5
"""VIR_DOMAIN_STATS_INTERFACE and VIR_DOMAIN_STATS_BLOCK, for who has not imported libvirt yet."""


def known_to_the_kernel(domain: Domain) -> Domain:
    """The domain with those of its devices that the kernel counts."""
    return replace(
        domain,
        disks=tuple(disk for disk in domain.disks if disk.counter_source is not None),
        interfaces=tuple(nic for nic in domain.interfaces if nic.counter_source is not None),
        total=None,  # libvirt has no such thing
    )


def told_of(device: str, told: dict[str, Any]) -> tuple[int, ...]:
    """What getAllDomainStats tells of an interface, in the order of libvirt's struct."""
    [n] = [n for n in range(told["net.count"]) if told.get(f"net.{n}.name") == device]
    return tuple(told[f"net.{n}.{way}.{key}"] for way in ("rx", "tx") for key in ("bytes", "pkts", "errs", "drop"))
