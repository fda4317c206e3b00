"""From a device to what counts it: each gets `counters`, or a `reason` that says why not and what would help."""

from dataclasses import replace

from vmiostat._core import Roots
from vmiostat.model import Domain
from vmiostat.resolve.disk import resolve_disk
from vmiostat.resolve.interface import resolve_interface
from vmiostat.resolve.total import resolve_total
from vmiostat.system.netns import NetworkNamespaces


def resolve(domain: Domain, roots: Roots, namespaces: NetworkNamespaces | None = None) -> Domain:
    """The domain with each device's counters or reason. What discovery has set already stays.

    `namespaces` are for who resolves many: what they share of the machine is then read once.
    """
    there = NetworkNamespaces(roots) if namespaces is None else namespaces
    return replace(
        domain,
        disks=tuple(resolve_disk(disk, domain, roots) for disk in domain.disks),
        interfaces=tuple(resolve_interface(nic, domain, there, roots) for nic in domain.interfaces),
        total=resolve_total(domain, roots),
    )
