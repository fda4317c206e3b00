"""Finds what counts each device: it gets a `counter_source`, or a `reason` why it has none and what helps."""

from dataclasses import replace

from vmiostat._core import Roots
from vmiostat.model import Domain
from vmiostat.resolve.disk import resolve_disk
from vmiostat.resolve.interface import resolve_interface
from vmiostat.resolve.total import resolve_total
from vmiostat.system.netns import NetworkNamespaces


def resolve(domain: Domain, roots: Roots, namespaces: NetworkNamespaces | None = None) -> Domain:
    """The domain with the counter source of each device, or the reason. What discovery has set is kept.

    Give the same `namespaces` for several domains, so that what these share is read once.
    """
    namespaces = namespaces or NetworkNamespaces(roots)
    resolved = replace(
        domain,
        disks=tuple(resolve_disk(disk, domain, roots) for disk in domain.disks),
        interfaces=tuple(resolve_interface(nic, domain, namespaces, roots) for nic in domain.interfaces),
    )
    return replace(resolved, total=resolve_total(resolved, roots))
