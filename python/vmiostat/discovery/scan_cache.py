"""What a watch found out when it looked before, so that its next look finds out only what may be otherwise now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmiostat.counter_sources import BlockDevice, NetDevice
from vmiostat.errors import SourceError
from vmiostat.system.block_device import diskseq
from vmiostat.system.netns import NetworkNamespaces
from vmiostat.system.processes import pids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vmiostat._core import Roots
    from vmiostat.discovery.vmm.process import VmmProcess
    from vmiostat.discovery.xml.definition import Defined
    from vmiostat.model import Disk, Domain, Interface


class ScanCache:
    """Kept by who looks again and again, and given to each look; each look replaces what it uses by what it saw.

    What was read from something that can be compared (a file's version, a command line, the device that has the name
    or number) is used for as long as that is the same. The rest stands until a look asks for everything `anew`.
    """

    def __init__(self, roots: Roots) -> None:
        self._roots = roots
        self.anew = True
        """Whether the current look is one."""
        self.pids = pids(roots)
        """The current look's."""
        self.namespaces = NetworkNamespaces(roots)
        """The current look's: each namespace is asked once a look."""
        self.definitions: dict[str, Defined] = {}
        """By the path of their file."""
        self.vmms: dict[int, VmmProcess] = {}
        """Processes that are virtual machines', by pid."""
        self.others: set[int] = set()
        """Processes that are no virtual machine's. One may become one by execve()."""
        self.xenstore: tuple[Domain, ...] | None = None
        """The domains that it told of last, None when it has not: they stand while it does not answer."""
        self._resolved: dict[int, tuple[Domain, Domain]] = {}
        """By identity: a domain as it was found, and as it was completed."""

    def begin(self, *, anew: bool) -> None:
        """Begins a look; with `anew` at all that nothing would tell of: a disk's path, a control group, a process."""
        self.anew = anew
        self.pids = pids(self._roots)
        self.namespaces = NetworkNamespaces(self._roots, self.namespaces)
        if anew:
            self.others = set()
            self._resolved = {}

    def resolved(self, domains: Iterable[Domain], resolve: Callable[[Domain], Domain]) -> list[Domain]:
        """The domains as `resolve` completes them.

        One that a provider found in the same place as before, and so gave again, is as it became then. One that only
        looks the same is not: a disk may have been plugged out and in again meanwhile, and be another one.
        """
        before, self._resolved = self._resolved, {}
        complete = []
        for domain in domains:
            _, known = before.get(id(domain), (domain, None))
            complete.append(known if known is not None and self._stands(known) else resolve(domain))
            self._resolved[id(domain)] = domain, complete[-1]
        return complete

    def _stands(self, domain: Domain) -> bool:
        """Whether its devices are those that they were. What was not there is looked for each time."""
        if domain.type == "xen":  # its backends are set up by and by, and keep their numbers
            return False
        return all(map(self._is_same_disk, domain.disks)) and all(map(self._is_same_interface, domain.interfaces))

    def _is_same_disk(self, disk: Disk) -> bool:
        device = disk.counter_source
        if isinstance(device, BlockDevice):
            return diskseq((device.major, device.minor), self._roots) == device.diskseq
        return disk.type != "block" or disk.source is None or device is not None

    def _is_same_interface(self, nic: Interface) -> bool:
        device = nic.counter_source
        if not isinstance(device, NetDevice):
            return True
        try:
            index = self.namespaces.interfaces(device.namespace).get(device.name)
        except SourceError:
            return False
        return index is not None and index == device.index
