"""A domain and its devices, as discovery finds them and resolving completes them. Nothing here reads a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from vmiostat._core import BlockStats, InterfaceStats
    from vmiostat.counter_sources import BlockCounterSource, InterfaceCounterSource


@dataclass(frozen=True, slots=True)
class Disk:
    """A domain's block device. `target` is its name in the domain's definition, and no name of the host's."""

    target: str
    type: str = "block"
    """What backs it, in libvirt's words: file, block, network, volume, nvme, ..."""
    device: str = "disk"
    """disk, cdrom, floppy or lun; filesystem for what a container has mounted."""
    source: str | None = None
    """The host's path, or what stands in its place (rbd:pool/image); None for an empty drive."""
    driver: str | None = None
    """The definition's driver name (qemu, phy, tap, file)."""
    alias: str | None = None
    """What libvirt has told the VMM to call it (virtio-disk0); None where it need not be told from the target."""
    counter_source: BlockCounterSource | None = None
    """Where the kernel, or QEMU, counts its requests."""
    reason: str = ""
    """Why there are no counters, or what to know of those that there are; a sentence."""

    def __str__(self) -> str:
        return self.target


@dataclass(frozen=True, slots=True)
class Interface:
    """A domain's network interface. `target` is the host's name of it (vnet0, vif1.0), or what stands in its place."""

    target: str
    type: str = "bridge"
    """The live type in libvirt's words: bridge, network, ethernet, direct, user, vhostuser, hostdev, ..."""
    mac: str | None = None
    source: str | None = None
    """The bridge, network or lower device that it is attached to; the PCI address of a device handed to the guest."""
    managed: bool = True
    """False where the definition says `managed='no'`: the host's device was made by others, and is only used."""
    swap_rx_tx: bool = True
    """Whether the guest's rx is the host device's tx."""
    rx_tx_view: str = ""
    """Why rx and tx are swapped or not; a sentence."""
    counter_source: InterfaceCounterSource | None = None
    """Where the kernel counts its packets."""
    reason: str = ""
    """Why there are no counters, or what to know of those that there are; a sentence."""

    def __str__(self) -> str:
        return self.target


@dataclass(frozen=True, slots=True)
class Process:
    """The process that runs a domain: QEMU, another VMM, a container's controller."""

    pid: int
    started: int | None = None
    """When it started, in clock ticks since the machine did (/proc/PID/stat, field 22): a pid is reused."""


class Reader(Protocol):
    """What reads a domain's counters: the Host that found it."""

    def block_stats(self, domain: Domain, target: str | Disk, size: int | None) -> BlockStats: ...

    def interface_stats(self, domain: Domain, target: str | Interface, size: int | None) -> InterfaceStats: ...


@dataclass(frozen=True, slots=True)
class Domain:
    """A virtual machine or container, or the host itself."""

    name: str
    id: int | None = None
    """libvirt's id, Xen's domid; None when it is not running or has none."""
    uuid: str | None = None
    type: str = ""
    """kvm, qemu, xen, lxc, ...; `host` for the host itself."""
    provider: str = ""
    """Which discovery found it."""
    process: Process | None = None
    """What runs it, as far as its provider knows."""
    disks: tuple[Disk, ...] = ()
    interfaces: tuple[Interface, ...] = ()
    total: Disk | None = None
    """All that it reads and writes, whatever its disks are: a row of its own, called `total`."""
    reader: Reader | None = field(default=None, repr=False, compare=False)

    def block_stats(self, target: str | Disk, *, size: int | None = None) -> BlockStats:
        """The counters of one block device, read now; see `Host.poller` for all of them, often.

        Nobody is asked: a disk that only its QEMU counts has no counters here (`Host.poller(qemu_interval=...)` asks).
        `size` gives the first so many bytes of the struct (40: what a client of libvirt's first struct compiled).

        >>> from vmiostat import Host
        >>> domain = Host("fixtures/xen-4.17-real/instant-1").domain(1)
        >>> tuple(domain.block_stats("xvda", size=40))
        (311, 20197376, 252, 16515072, 0)

        Raises UnknownDevice, NoCounters, SourceError or SizeError.
        """
        return self._reader().block_stats(self, target, size)

    def interface_stats(self, target: str | Interface, *, size: int | None = None) -> InterfaceStats:
        """The counters of one interface in its Host's view, read now; else as `block_stats` (version 1: 64 bytes)."""
        return self._reader().interface_stats(self, target, size)

    def _reader(self) -> Reader:
        if self.reader is None:
            raise ValueError(f"domain {self.name!r} was made by hand: only a Host's domains can be read")
        return self.reader
