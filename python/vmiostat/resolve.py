"""From a device to what counts it: each gets `counters`, or a `reason` that says why not and what would help."""

from collections.abc import Iterable
from dataclasses import replace

from vmiostat._core import Roots
from vmiostat.model import Domain
from vmiostat.network_namespaces import NetworkNamespaces
from vmiostat.resolve_disk import resolve_disk
from vmiostat.resolve_interface import resolve_interface
from vmiostat.resolve_total import resolve_total


def resolve(domain: Domain, roots: Roots) -> Domain:
    """The domain with each device's counters or reason. What discovery has set already stays."""
    return resolve_all([domain], roots)[0]


def resolve_all(domains: Iterable[Domain], roots: Roots) -> list[Domain]:
    """The same for many domains: what they share of the machine is read once."""
    namespaces = NetworkNamespaces(roots)
    return [
        replace(
            domain,
            disks=tuple(resolve_disk(disk, domain, roots) for disk in domain.disks),
            nics=tuple(resolve_interface(nic, domain, namespaces, roots) for nic in domain.nics),
            total=resolve_total(domain, roots),
        )
        for domain in domains
    ]
