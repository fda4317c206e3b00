"""What the command line of a virtual machine's process tells of the machine, whichever VMM it starts."""

from dataclasses import dataclass

from vmiostat.model import Disk


@dataclass(frozen=True, slots=True)
class Netdev:
    """Where the packets of one network card go."""

    id: str
    """What the VMM calls it: hostnet0."""
    type: str = "tap"
    """tap for whatever ends at an interface of the host's; else the type that vmiostat.model.Interface would have."""
    mac: str | None = None
    source: str | None = None
    interface: str | None = None
    """The host's interface, where it is named."""
    descriptors: tuple[int, ...] = ()
    """The numbers under which the VMM was handed the interface's open queues."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A virtual machine as it was started. What was plugged in or out since is not in it."""

    name: str | None = None
    uuid: str | None = None
    id: int | None = None
    type: str = ""
    """kvm, qemu or xen, as far as the command line says."""
    disks: tuple[Disk, ...] = ()
    read_only: frozenset[str] = frozenset()
    """The targets of those that the guest may not write to."""
    netdevs: tuple[Netdev, ...] = ()
    beneath: tuple[str, ...] = ()
    """Files that are open beneath its disks, and are none: backing files, firmware."""
