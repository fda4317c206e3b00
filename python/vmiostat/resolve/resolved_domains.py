"""Resolved domains, kept from scan to scan, so that only those that may have changed are resolved again."""

from collections.abc import Callable, Iterable

from vmiostat._core import Roots
from vmiostat.counter_sources import BlockDevice, NetDevice
from vmiostat.errors import SourceError
from vmiostat.model import Disk, Domain, Interface
from vmiostat.system.block_device import diskseq
from vmiostat.system.netns import NetworkNamespaces


class ResolvedDomains:
    """The last scan's domains. Each scan replaces them with its own."""

    def __init__(self, roots: Roots) -> None:
        self._roots = roots
        self._resolved: dict[int, tuple[Domain, Domain]] = {}
        """By id(): a domain as it was found and as it was resolved."""

    def update(
        self,
        found: Iterable[Domain],
        resolve: Callable[[Domain], Domain],
        namespaces: NetworkNamespaces,
        *,
        full: bool = True,
    ) -> list[Domain]:
        """The domains of a scan, as `resolve` completes them.

        Except in a full scan, a domain that is the same object as in the last scan (its provider saw no change) is not
        resolved again. An equal one is: a disk may have been replaced by another one under the same name.
        """
        before, self._resolved = ({} if full else self._resolved), {}
        resolved = []
        for domain in found:
            _, known = before.get(id(domain), (domain, None))
            if known is None or not self._is_current(known, namespaces):
                known = resolve(domain)
            resolved.append(known)
            self._resolved[id(domain)] = domain, known
        return resolved

    def _is_current(self, domain: Domain, namespaces: NetworkNamespaces) -> bool:
        """Whether its devices are still the same ones, and none was absent."""
        if domain.type == "xen":  # its backends are set up gradually, and keep their numbers
            return False
        return all(map(self._is_same_disk, domain.disks)) and all(
            _is_same_interface(nic, namespaces) for nic in domain.interfaces
        )

    def _is_same_disk(self, disk: Disk) -> bool:
        device = disk.counter_source
        if isinstance(device, BlockDevice):
            return diskseq((device.major, device.minor), self._roots) == device.diskseq
        return disk.type != "block" or disk.source is None or device is not None


def _is_same_interface(nic: Interface, namespaces: NetworkNamespaces) -> bool:
    device = nic.counter_source
    if not isinstance(device, NetDevice):
        return True
    try:
        index = namespaces.interfaces(device.namespace).get(device.name)
    except SourceError:
        return False
    return index is not None and index == device.index
