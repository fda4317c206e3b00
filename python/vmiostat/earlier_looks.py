"""What a watch found out when it looked before, so that its next look finds out only what may be otherwise now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmiostat.counters import NetDevice
from vmiostat.errors import SourceError
from vmiostat.network_namespaces import NetworkNamespaces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vmiostat._core import Roots
    from vmiostat.discovery.definition import Defined
    from vmiostat.discovery.vmm_command_line import CommandLine
    from vmiostat.model import Domain, Interface


class EarlierLooks:
    """Kept by who looks again and again, and given to each look; each look replaces what it uses by what it saw.

    What was read from something that can be compared (a file's version, a command line's text, the interface that has
    the name) is used for as long as that is the same. The rest stands until a look asks for everything `anew`.
    """

    def __init__(self, roots: Roots) -> None:
        self._roots = roots
        self.namespaces = NetworkNamespaces(roots)
        """The current look's: each namespace is asked once a look."""
        self.definitions: dict[str, Defined] = {}
        """By the path of their file."""
        self.command_lines: dict[tuple[tuple[str, ...], bool], CommandLine] = {}
        """What each tells of a virtual machine; and whether KVM has one of its process."""
        self.others: set[int] = set()
        """Processes that are no virtual machine's. One may become one by execve()."""
        self._resolved: dict[Domain, Domain] = {}

    def begin(self, *, anew: bool) -> None:
        """Begins a look; with `anew` at all that nothing would tell of: a disk's path, a control group, a process."""
        self.namespaces = NetworkNamespaces(self._roots, self.namespaces)
        if anew:
            self.others = set()
            self._resolved = {}

    def resolved(self, domains: Iterable[Domain], resolve: Callable[[Domain], Domain]) -> list[Domain]:
        """The domains as `resolve` completes them; one that was found the same before is as it became then."""
        before, self._resolved = self._resolved, {}
        for domain in domains:
            known = before.get(domain)
            self._resolved[domain] = (
                known if known is not None and self._has_same_interfaces(known) else resolve(domain)
            )
        return list(self._resolved.values())

    def _has_same_interfaces(self, domain: Domain) -> bool:
        return all(self._is_same(nic) for nic in domain.nics)

    def _is_same(self, nic: Interface) -> bool:
        """Whether the interface under this name is still the one that was found. One that was not there is not."""
        device = nic.counters
        if not isinstance(device, NetDevice):
            return True
        try:
            return (
                device.index is not None
                and self.namespaces.interfaces(device.namespace).get(device.name) == device.index
            )
        except SourceError:
            return False
