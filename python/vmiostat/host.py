"""The machine that runs the virtual machines: it finds its domains, rarely, and opens pollers, which read often."""

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from vmiostat._core import BlockStats, InterfaceStats, Roots
from vmiostat.counter_sources import InterfaceSource
from vmiostat.discovery.limits import cut_name
from vmiostat.discovery.xml.definition_file import check_paths
from vmiostat.errors import Error, UnknownDomain
from vmiostat.model import Disk, Domain, Interface
from vmiostat.polling.device_stats import block_stats, interface_stats
from vmiostat.polling.poller import Poller, fixed_poller, following_poller
from vmiostat.resolve import resolve
from vmiostat.resolve.resolved_domains import ResolvedDomains
from vmiostat.watching.event_sources import EventSources
from vmiostat.watching.watch import Watch

if TYPE_CHECKING:
    from vmiostat.discovery.libvirt.connection import LibvirtConnection
    from vmiostat.discovery.scan import Discovery
    from vmiostat.qemu_stats.query_thread import OnDemand
    from vmiostat.qemu_stats.selection import BlockSource, QemuStats

StrPath = str | os.PathLike[str]


class Host:
    """A machine and its domains: this one, or a captured one below `root`.

    Parameters
    ----------
    root : path
        The folder with the machine's proc, sys, dev and run.
    proc, sys, dev, run : path, optional
        Another place of one of these folders (in a container: `proc="/host/proc"`).
    xml : path or iterable of paths, optional
        Files or folders of libvirt domain XML, or files of Xen's xl, that define the domains. Without it every source
        of domains is searched; see docs/discovery.md.
    libvirt : str or LibvirtConnection, optional
        A URI as virsh takes it ("qemu:///system"): libvirt is queried for its domains as well.
    view : {"guest", "host"}
        Whether rx is what the guest receives, as in libvirt, or what the host's device receives.
    vmms : iterable of str, optional
        Paths of VMMs that are trusted in addition to those in the usual places and in /etc/vmiostat/vmms; see
        docs/security.md.
    unverified : bool
        Whether processes that are only called like a VMM are shown, as domains without devices.

    Attributes
    ----------
    roots : Roots
        Opens and reads the machine's files.
    view : str
        As given.
    problems : tuple of Error
        What kept the last call of `domains` from finding more.

    Raises
    ------
    SourceError
        A root cannot be opened, or a path of `xml` does not exist.
    ValueError
        `view` is neither of the two, both `xml` and `libvirt` are given, or a path of `vmms` is relative.

    Examples
    --------
    >>> host = Host("fixtures/xen-4.17-real/instant-1")
    >>> [domain.name for domain in host.domains()]
    ['Domain-1', 'Domain-2', 'Domain-3']
    """

    def __init__(
        self,
        root: StrPath = "/",
        *,
        proc: StrPath | None = None,
        sys: StrPath | None = None,
        dev: StrPath | None = None,
        run: StrPath | None = None,
        xml: StrPath | Iterable[StrPath] | None = None,
        libvirt: "str | LibvirtConnection | None" = None,
        view: Literal["guest", "host"] = "guest",
        vmms: Iterable[str] = (),
        unverified: bool = True,
    ) -> None:
        if view not in ("guest", "host"):
            raise ValueError(f"view is 'guest' or 'host', not {view!r}")
        if xml is not None and libvirt is not None:
            raise ValueError("xml and libvirt both say which domains there are: give one of them")
        self.roots = Roots(root, proc=proc, sys=sys, dev=dev, run=run)
        self.view = view
        self.problems: tuple[Error, ...] = ()
        self._xml = xml if xml is None or isinstance(xml, str | os.PathLike) else tuple(xml)
        if self._xml is not None:
            check_paths(self._xml)
        self._libvirt = _connection(libvirt)
        self._vmms = tuple(vmms)
        if relative := [path for path in self._vmms if not path.startswith("/")]:
            raise ValueError(f"the path of a VMM begins with /, unlike {relative[0]!r}")
        self._unverified = unverified

    def domains(self, *, host: bool = False) -> list[Domain]:
        """Find every domain that there is now, with its devices.

        Parameters
        ----------
        host : bool
            Whether the first of them is the host itself, with its own interfaces and disks, as the domain `host`. On a
            machine without guests it is there in any case.

        Returns
        -------
        list of Domain
            Each of its devices has a counter source, or the reason why it has none. What kept discovery from finding
            more is in `problems`.

        Examples
        --------
        >>> host = Host("fixtures/xen-4.17-real/instant-1")
        >>> for domain in host.domains(host=True):
        ...     print(domain.name, len(domain.disks), len(domain.interfaces))
        host 0 9
        Domain-1 2 2
        Domain-2 4 2
        Domain-3 3 1
        """
        domains, self.problems = self._scan(self._discovery(host), ResolvedDomains(self.roots), True)
        return domains

    def domain(self, which: str | int) -> Domain:
        """Find one domain.

        Parameters
        ----------
        which : str or int
            Its name, else its UUID, else its id.

        Returns
        -------
        Domain

        Raises
        ------
        UnknownDomain
            There is none; the message lists those that there are.

        Examples
        --------
        >>> Host("fixtures/xen-4.17-real/instant-1").domain(1).name
        'Domain-1'
        """
        domains = self.domains()
        wanted = cut_name(str(which))
        by_number = isinstance(which, int)
        by_name = [domain for domain in domains if domain.name == wanted and not by_number]
        # libvirt prints a UUID in lower case, and takes it in any.
        by_uuid = [domain for domain in domains if domain.uuid == wanted.lower()]
        by_id = [domain for domain in domains if domain.id is not None and str(domain.id) == wanted]
        for domain in by_name + by_uuid + by_id:
            return domain
        there_are = ", ".join(domain.name for domain in domains) or "none"
        raise UnknownDomain(f"no domain {which!r} on this host; there are: {there_are}")

    def poller(
        self,
        domains: Iterable[Domain] | None = None,
        *,
        host: bool = False,
        interface_source: InterfaceSource = "auto",
        qemu_interval: "float | OnDemand | None" = None,
        block_source: "BlockSource" = "kernel",
    ) -> Poller:
        """Open the counters of these domains, else of all that there are now.

        The rows are in the order of the domains, and in each in that of its devices. They stay as they are, whatever
        comes or goes: see `follow`.

        Parameters
        ----------
        domains : iterable of Domain, optional
            What to read; each may have fewer devices than it was found with.
        host : bool
            Whether to read the host's own interfaces and disks, too: see `domains`.
        interface_source : {"auto", "proc", "sysfs", "netlink"}
            How interfaces are read. `Poller.explain` says what that means here; see docs/sources.md.
        qemu_interval : float or "on demand", optional
            Query QEMU for the disks that only it counts, in a thread: at this interval in seconds, or only by
            `Poller.query`. It is queried by a QMP socket that it offers, else by this Host's libvirt, if it has one.
            Without it no virtual machine is queried, and these rows are `unsupported`.
        block_source : {"kernel", "qemu"}
            Whose counters a disk has that both the kernel and QEMU count; "qemu" takes a `qemu_interval`.

        Returns
        -------
        Poller
            Close it, or use it in a `with` statement.

        Raises
        ------
        ValueError
            An option is not one of these.
        TypeError
            Something in `domains` is no Domain.

        Notes
        -----
        A device that cannot be opened costs its own row alone: the row's state says why.

        Examples
        --------
        >>> host = Host("fixtures/xen-4.17-real/instant-1")
        >>> with host.poller([host.domain("Domain-1")]) as poller:
        ...     sample = poller.poll()
        >>> sample.block["Domain-1", "xvda"].rd_bytes
        20197376
        """
        problems: tuple[Error, ...] = ()
        if domains is None:
            domains, problems = self.domains(host=host), self.problems
        else:
            domains = _checked(domains)
            if host and all(domain.type != "host" for domain in domains):
                domains = [domain for domain in self.domains(host=True) if domain.type == "host"] + domains
        queries = self._queries(qemu_interval, block_source)
        return fixed_poller(self.roots, domains, interface_source=interface_source, problems=problems, queries=queries)

    def follow(
        self,
        *,
        host: bool = False,
        interval: float = 10.0,
        select: Callable[[Domain], Domain | None] | None = None,
        interface_source: InterfaceSource = "auto",
        qemu_interval: "float | OnDemand | None" = None,
        block_source: "BlockSource" = "kernel",
    ) -> Poller:
        """Open the counters of all domains, and follow the changes: see docs/following.md.

        A device that comes gets a row, one that goes loses it, all others go on. It waits for the first scan, ten
        seconds at most: in an asyncio program, `poller = await asyncio.to_thread(host.follow)`.

        Parameters
        ----------
        host : bool
            Whether to read the host's own interfaces and disks, too. Without guests it does so in any case; once it
            does, no guest's coming or going removes them.
        interval : float
            Seconds between two full scans, which find also what no event says.
        select : callable, (Domain) -> Domain or None, optional
            Called with each domain, returns it, or it with fewer devices, or None to leave it out.
        interface_source, qemu_interval, block_source
            As for `poller`.

        Returns
        -------
        Poller
            Its `domains` are those whose rows it has now, its `problems` what kept the last scan from finding more.

        Raises
        ------
        ValueError
            An option is not one of these.
        Exception
            What `select` raises in the first scan. Later it is one of `problems`, and the plan stays as it is.

        Examples
        --------
        >>> def disks_only(domain):
        ...     return dataclasses.replace(domain, interfaces=())
        >>> import dataclasses
        >>> with Host().follow(select=disks_only) as poller:
        ...     sample = poller.poll()
        >>> len(sample.interface)
        0
        """
        queries = self._queries(qemu_interval, block_source)
        watch = partial(self._watch, interval, host)
        return following_poller(self.roots, watch, select=select, interface_source=interface_source, queries=queries)

    def _queries(self, interval: "float | OnDemand | None", block_source: "BlockSource") -> "QemuStats | None":
        if block_source not in ("kernel", "qemu"):
            raise ValueError(f"block_source is 'kernel' or 'qemu', not {block_source!r}")
        if interval is None:
            if block_source != "kernel":
                raise ValueError(f"block_source={block_source!r} takes a qemu_interval: without one no QEMU is queried")
            return None
        # Here, since most pollers query none.
        from vmiostat.qemu_stats.selection import QemuStats

        libvirt = None if self._libvirt is None else self._libvirt.uri
        return QemuStats(self.roots, interval, block_source=block_source, libvirt=libvirt)

    def watch(self, interval: float = 10.0, *, host: bool = False) -> Watch:
        """Watch the domains come, go and change, without reading any counters.

        Parameters
        ----------
        interval : float
            Seconds between two full scans, which find also what no event says.
        host : bool
            Whether the host itself is one of them: see `follow`.

        Returns
        -------
        Watch
            Close it, or use it in a `with` statement.

        Raises
        ------
        ValueError
            The interval is not a number of seconds above 0.
        """
        return self._watch(interval, host)

    def _watch(
        self, interval: float, host: bool, on_change: Callable[[tuple[Domain, ...]], None] | None = None
    ) -> Watch:
        scan = partial(self._scan, self._discovery(host), ResolvedDomains(self.roots))
        return Watch(scan, self._signals, interval, on_change)

    def _signals(self) -> EventSources:
        more = {} if self._libvirt is None else {"libvirt domains change (libvirt events)": self._libvirt.changes}
        return EventSources(self.roots, self._xml, more)

    def _discovery(self, host: bool) -> "Discovery":
        # Here, since it imports lxml, which takes longer than everything else together.
        from vmiostat.discovery.scan import Discovery

        return Discovery(self.roots, self._xml, self._libvirt, host=host, vmms=self._vmms, unverified=self._unverified)

    def _scan(
        self, discovery: "Discovery", resolved: ResolvedDomains, full: bool
    ) -> tuple[list[Domain], tuple[Error, ...]]:
        """The domains, and what kept discovery from finding more."""
        found = discovery.scan(full=full)
        namespaces = discovery.namespaces

        def complete(domain: Domain) -> Domain:
            return self._in_view(replace(resolve(domain, self.roots, namespaces), reader=self))

        return resolved.update(found.domains, complete, namespaces, full=full), found.problems

    def _in_view(self, domain: Domain) -> Domain:
        """The domain in the Host's view."""
        if self.view == "guest":
            return domain
        why = "the Host was opened with view='host'"
        nics = [replace(nic, swap_rx_tx=False, rx_tx_view=why) if nic.swap_rx_tx else nic for nic in domain.interfaces]
        return replace(domain, interfaces=tuple(nics))

    def block_stats(self, domain: Domain, target: str | Disk, size: int | None = None) -> BlockStats:
        """See Domain.block_stats."""
        return block_stats(self.roots, domain, target, size)

    def interface_stats(self, domain: Domain, target: str | Interface, size: int | None = None) -> InterfaceStats:
        """See Domain.interface_stats."""
        return interface_stats(self.roots, domain, target, size)


def _checked(domains: Iterable[Domain]) -> list[Domain]:
    domains = list(domains)
    for domain in domains:
        if not isinstance(domain, Domain):
            raise TypeError(f"a poller's domains are Domain objects, as Host.domains() returns them, not {domain!r}")
    return domains


def _connection(libvirt: "str | LibvirtConnection | None") -> "LibvirtConnection | None":
    if not isinstance(libvirt, str):
        return libvirt
    # Here, since it imports lxml.
    from vmiostat.discovery.libvirt.connection import LibvirtConnection

    return LibvirtConnection(libvirt)
