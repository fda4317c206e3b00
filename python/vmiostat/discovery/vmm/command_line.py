"""A virtual machine as the command line of its process describes it, whichever VMM that is."""

from dataclasses import dataclass

from vmiostat.model import Disk


@dataclass(frozen=True, slots=True)
class Netdev:
    """Where the packets of one network card go."""

    id: str
    """The VMM's name for it: hostnet0."""
    type: str = "tap"
    """tap for anything with a host interface; else the type as in `Interface.type`."""
    mac: str | None = None
    source: str | None = None
    interface: str | None = None
    """The host interface, where the command line names it."""
    descriptors: tuple[int, ...] = ()
    """The descriptors of the interface's open queues, which were passed to the VMM."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A virtual machine as it was started, without anything that was plugged or unplugged since."""

    name: str | None = None
    uuid: str | None = None
    id: int | None = None
    type: str = ""
    """kvm, qemu or xen, as far as the command line shows."""
    disks: tuple[Disk, ...] = ()
    read_only: frozenset[str] = frozenset()
    """The targets of disks that are read-only for the guest."""
    netdevs: tuple[Netdev, ...] = ()
    beneath: tuple[str, ...] = ()
    """Files that it opens but that are no disks with requests: backing files, firmware, persistent memory."""
    pci_devices: tuple[tuple[str, str], ...] = ()
    """The name and address of each PCI device of the host that the guest drives itself."""
    unread: tuple[str, ...] = ()
    """Files that describe more devices and could not be read: /run/qemu.conf (Permission denied)."""
