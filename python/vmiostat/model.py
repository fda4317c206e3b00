"""A domain and its devices, as discovery finds them and resolving completes them. Nothing here reads a file."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Protocol, Self

from vmiostat.disk_source import without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmiostat._core import BlockStats, InterfaceStats
    from vmiostat.counter_sources import BlockCounterSource, InterfaceCounterSource

TOTAL = "total"
"""The target of `Domain.total`."""


@dataclass(frozen=True, slots=True)
class Disk:
    """A domain's block device; `str` of it is its target.

    Attributes
    ----------
    target : str
        Its name in the domain's definition (vda, xvda), which is no name of the host's.
    type : str
        What backs it, in libvirt's words: file, block, network, volume, nvme, ...; `domain` for a whole domain.
    device : str
        disk, cdrom, floppy or lun; filesystem for what a container has mounted; total for a whole domain.
    source : str or None
        The host's path, or what stands in its place (rbd:pool/image), without credentials and without the query of a
        URL; None for an empty drive.
    driver : str or None
        The definition's driver name: qemu, phy, tap, file.
    alias : str or None
        The VMM's name of it, where libvirt chose one (virtio-disk0).
    counter_source : BlockCounterSource or None
        Where its requests are counted.
    reason : str
        Why it has no counter source, or what to know of its counters; a sentence, or empty.
    """

    target: str
    type: str = "block"
    device: str = "disk"
    source: str | None = None
    driver: str | None = None
    alias: str | None = None
    counter_source: BlockCounterSource | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        # Here, so that no provider can forget it.
        if self.source is not None:
            object.__setattr__(self, "source", without_secrets(self.source))

    def __str__(self) -> str:
        return self.target


@dataclass(frozen=True, slots=True)
class Interface:
    """A domain's network interface; `str` of it is its target.

    Attributes
    ----------
    target : str
        The host's name of it (vnet0, vif1.0), or what stands in its place.
    type : str
        The live type in libvirt's words: bridge, network, ethernet, direct, user, vhostuser, hostdev, ...
    mac : str or None
        The guest's MAC address.
    source : str or None
        The bridge, network or lower device that it is attached to; the PCI address of a device passed to the guest.
    managed : bool
        False where the definition says `managed='no'`: others made the host's device, the domain only uses it.
    swap_rx_tx : bool
        Whether the guest's rx is the host device's tx.
    rx_tx_view : str
        Why rx and tx are swapped or not; a sentence.
    counter_source : InterfaceCounterSource or None
        Where its packets are counted.
    reason : str
        Why it has no counter source, or what to know of its counters; a sentence, or empty.
    """

    target: str
    type: str = "bridge"
    mac: str | None = None
    source: str | None = None
    managed: bool = True
    swap_rx_tx: bool = True
    rx_tx_view: str = ""
    counter_source: InterfaceCounterSource | None = None
    reason: str = ""

    def __str__(self) -> str:
        return self.target


@dataclass(frozen=True, slots=True)
class Process:
    """The process that runs a domain: QEMU, another VMM, a container's controller.

    Attributes
    ----------
    pid : int
        Its number in the host's process namespace.
    started : int or None
        When it started, in clock ticks since the machine did (/proc/PID/stat, field 22): a pid is reused.
    """

    pid: int
    started: int | None = None


class Reader(Protocol):
    """What reads a domain's counters: the Host that found it."""

    def block_stats(self, domain: Domain, target: str | Disk, size: int | None) -> BlockStats: ...

    def interface_stats(self, domain: Domain, target: str | Interface, size: int | None) -> InterfaceStats: ...


@dataclass(frozen=True, slots=True)
class Domain:
    """A virtual machine or container, or the host itself.

    Attributes
    ----------
    name : str
        Its name. Two domains of one name are told apart: the later one is called NAME@PID, and both are if only their
        processes say that it is theirs.
    id : int or None
        libvirt's id or Xen's domid; None when it is not running or has none.
    uuid : str or None
        Its UUID, in lower case.
    type : str
        kvm, qemu, xen, lxc, ...; `host` for the host itself.
    provider : str
        Which discovery provider found it.
    process : Process or None
        What runs it, as far as its provider knows.
    disks : tuple of Disk
        Its block devices.
    interfaces : tuple of Interface
        Its network interfaces.
    total : Disk or None
        All that it reads and writes, whatever its disks are: a row of its own, called `total`.
    verified : bool
        False of a process that calls itself a VMM without running one that is installed on this host; see
        docs/security.md.
    title : str or None
        libvirt's title of it: a short description.
    nova_name : str or None
        The name of the instance in OpenStack, whose domain is called instance-0000002a.
    reader : Host or None
        Who reads its counters. It is not pickled.

    Examples
    --------
    >>> from vmiostat import Host
    >>> domain = Host("fixtures/xen-4.17-real/instant-1").domain(1)
    >>> print(domain.name, *domain.disks, *domain.interfaces)
    Domain-1 xvda xvdb vif1.0 lan-vm1
    """

    name: str
    id: int | None = None
    uuid: str | None = None
    type: str = ""
    provider: str = ""
    process: Process | None = None
    disks: tuple[Disk, ...] = ()
    interfaces: tuple[Interface, ...] = ()
    total: Disk | None = None
    verified: bool = True
    title: str | None = None
    nova_name: str | None = None
    reader: Reader | None = field(default=None, repr=False, compare=False)

    def block_stats(self, target: str | Disk, *, size: int | None = None) -> BlockStats:
        """Read the counters of one block device now.

        For all devices, often, use `Host.poller`. Nothing is queried here: a disk that only its QEMU counts has no
        counters (`Host.poller(qemu_interval=...)` queries QEMU).

        Parameters
        ----------
        target : str or Disk
            One of the domain's disks, or its target; "total" (libvirt: "") is all that the domain reads and writes.
        size : int, optional
            Bytes of the struct, the newest one's by default; 40 is libvirt's first struct.

        Returns
        -------
        BlockStats
            Bytes, requests and nanoseconds since the device or the domain was started. A field is -1 where the
            source does not have it.

        Raises
        ------
        UnknownDevice
            The domain has no such disk; the message lists those that it has.
        NoCounters
            The disk has no counters on this host; the message is its reason.
        SourceError
            The kernel's file could not be read.
        SizeError
            No version of the struct is so long.
        ValueError
            The domain was not found by a Host of this process.

        Examples
        --------
        >>> from vmiostat import Host
        >>> domain = Host("fixtures/xen-4.17-real/instant-1").domain(1)
        >>> tuple(domain.block_stats(domain.disks[0], size=40))
        (311, 20197376, 252, 16515072, 0)
        """
        return self._reader().block_stats(self, target, size)

    def interface_stats(self, target: str | Interface, *, size: int | None = None) -> InterfaceStats:
        """Read the counters of one interface now, in the Host's view.

        Parameters
        ----------
        target : str or Interface
            One of the domain's interfaces, or its target.
        size : int, optional
            Bytes of the struct, the newest one's by default; 64 is libvirt's first struct.

        Returns
        -------
        InterfaceStats
            Bytes and packets since the interface was made. A field is -1 where the source does not have it.

        Raises
        ------
        UnknownDevice, NoCounters, SourceError, SizeError, ValueError
            As for `block_stats`.

        Examples
        --------
        >>> from vmiostat import Host
        >>> domain = Host("fixtures/xen-4.17-real/instant-1").domain(1)
        >>> domain.interface_stats("vif1.0").rx_bytes
        101152
        """
        return self._reader().interface_stats(self, target, size)

    def _reader(self) -> Reader:
        if self.reader is None:
            raise ValueError(f"domain {self.name!r} was made by hand or unpickled: only a Host's own can be read")
        return self.reader

    def __reduce__(self) -> tuple[Callable[..., Domain], tuple[Any, ...]]:
        # The reader's handles are this process's.
        return Domain, tuple(getattr(self, field.name) for field in fields(self) if field.name != "reader")

    def __copy__(self) -> Self:
        return self  # nothing in it can change

    def __deepcopy__(self, memo: object) -> Self:
        return self
