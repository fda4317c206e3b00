"""Scans a machine for its domains: which providers there are, and what becomes of the domains that they find."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from vmiostat._core import Roots
from vmiostat.discovery.defined_domains import StrPath, defined_domains
from vmiostat.discovery.host_itself import HostItself
from vmiostat.discovery.libvirt.domains import LibvirtDomains
from vmiostat.discovery.limits import cut_problems
from vmiostat.discovery.merge import merge_domains
from vmiostat.discovery.provider import Found, Provider, ScanContext
from vmiostat.discovery.vmm.processes import VmmProcesses
from vmiostat.discovery.xen.libvirt_devices import with_devices_of_xenstore
from vmiostat.discovery.xen.sysfs import XenSysfs
from vmiostat.discovery.xen.xenstore import Xenstore
from vmiostat.errors import Error
from vmiostat.model import Domain
from vmiostat.system.netns import NetworkNamespaces
from vmiostat.system.processes import start_time, user
from vmiostat.system.vmm_executable import VmmExecutables

if TYPE_CHECKING:
    from vmiostat.discovery.libvirt.connection import LibvirtConnection


class Discovery:
    """Finds a machine's domains, scan after scan.

    They are those that the files of `xml` define, without `xml` those of every provider. The machine itself is the
    first of them with `host`, and where no provider finds any. `libvirt` is a connection to query in addition to
    libvirt's status files.
    """

    def __init__(
        self,
        roots: Roots,
        xml: StrPath | Iterable[StrPath] | None = None,
        libvirt: "LibvirtConnection | None" = None,
        *,
        host: bool = False,
        vmms: Iterable[str] = (),
    ) -> None:
        self._roots = roots
        self._xml = xml
        self._host = host
        """Whether the machine itself is a domain. Once it is, it stays one: a guest that starts removes no rows."""
        # Where two find the same domain, the first one's view of it is kept.
        self._providers: tuple[Provider, ...] = (
            LibvirtDomains(libvirt),
            Xenstore(),
            XenSysfs(),
            VmmProcesses(),
        )
        self._last: dict[str, tuple[Domain, ...]] = {}
        """What each provider found, by its name."""
        self._executables = VmmExecutables(roots, vmms)
        self.namespaces = NetworkNamespaces(roots)
        """The network namespaces as the last scan saw them."""

    def scan(self, *, full: bool = True) -> Found:
        """The domains as they are now. A full scan rereads also what changes without an event. Raises SourceError."""
        self.namespaces = NetworkNamespaces(self._roots, self.namespaces)
        if full:
            self._executables.rescan()
        context = ScanContext(self._roots, full=full, namespaces=self.namespaces, executables=self._executables)
        guests = self._guests(context) if self._xml is None else defined_domains(self._xml)
        self._host |= self._xml is None and not any(domain.verified for domain in guests.domains)
        if not self._host:
            return guests
        host = HostItself().scan(context)
        return Found(merge_domains((*host.domains, *guests.domains)).domains, guests.problems + host.problems)

    def _guests(self, context: ScanContext) -> Found:
        domains: list[Domain] = []
        problems: list[Error] = []
        for provider in self._providers:
            found = provider.scan(context)
            last = self._last[provider.name] = (*found.domains, *self._standing(provider, found))
            domains += last
            problems += found.problems
            context.known_pids |= {domain.process.pid for domain in last if domain.process is not None}
        guests = (domain for domain in with_devices_of_xenstore(domains) if not _is_dom0(domain))
        merged = merge_domains(guests, lambda process: user(process.pid, self._roots) == 0)
        return Found(merged.domains, cut_problems((*merged.problems, *problems)))

    def _standing(self, provider: Provider, found: Found) -> Iterator[Domain]:
        """Domains that the last scan found and this one could not see, for an error: an error is not their end."""
        if found.complete:
            return
        seen = {(domain.name, domain.uuid) for domain in found.domains}
        for domain in self._last.get(provider.name, ()):
            runs = domain.process
            ended = runs is not None and start_time(runs.pid, self._roots) != runs.started
            if (domain.name, domain.uuid) not in seen and not ended:
                yield domain


def _is_dom0(domain: Domain) -> bool:
    """Whether it is a Xen host, which its toolstack lists as Domain-0. With a disk of a backend it is a guest, too."""
    return domain.type == "xen" and domain.id == 0 and not domain.disks and not domain.interfaces
