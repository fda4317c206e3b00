"""PCI devices of the host that a guest drives itself (VFIO): those that are a disk or a network card.

The command line does not show which: sysfs has the class of each device (include/linux/pci_ids.h).
"""

import re
from collections.abc import Iterator

from vmiostat._core import Roots
from vmiostat.discovery.vmm.command_line import CommandLine
from vmiostat.model import Disk, Interface

_ADDRESS = re.compile(r"(?:.*/)?((?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])/?", re.ASCII)
_STORAGE, _NETWORK = b"0x01", b"0x02"
"""How the classes begin of controllers of disks, and of network cards."""


def pci_address(text: str) -> str | None:
    """The name in sysfs of a device that an option names, by its address or its folder; None if it names none.

    >>> pci_address("01:00.0"), pci_address("/sys/bus/pci/devices/0000:3b:02.1/"), pci_address("mdev")
    ('0000:01:00.0', '0000:3b:02.1', None)
    """
    found = _ADDRESS.fullmatch(text.lower())
    if found is None:
        return None
    return found[1] if found[1].count(":") == 2 else f"0000:{found[1]}"


def pci_disks(line: CommandLine, roots: Roots) -> Iterator[Disk]:
    """Those that are controllers of disks."""
    for target, address in line.pci_devices:
        if _class(address, roots).startswith(_STORAGE):
            yield Disk(target, "pci", source=address)


def pci_interfaces(line: CommandLine, roots: Roots) -> Iterator[Interface]:
    """Those that are network cards; the card of a virtual function counts it."""
    for target, address in line.pci_devices:
        if _class(address, roots).startswith(_NETWORK):
            yield Interface(target, "hostdev", source=address)


def _class(address: str, roots: Roots) -> bytes:
    return roots.read_or_none(f"/sys/bus/pci/devices/{address}/class") or b""
