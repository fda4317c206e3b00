"""From a PCI device that a guest was given to the network card whose virtual function it is, and which counts it."""

import re

from vmiostat._core import Roots
from vmiostat.counter_sources import VirtualFunction
from vmiostat.errors import SourceError

_DEVICES = "/sys/bus/pci/devices"
_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]", re.ASCII)
_NUMBER = re.compile(r"virtfn([0-9]+)", re.ASCII)

NOT_COUNTED = (
    "a device of the host ({}) handed to the guest whole: the host's kernel does not see its packets. "
    "A virtual function's would be counted by its card"
)
COUNTED = (
    "as the card's driver counts it, newest answer: a driver that does not count its virtual functions says 0 "
    "(ip -s link show dev {} has the same)"
)


def virtual_function(address: str | None, roots: Roots) -> VirtualFunction | str:
    """What counts the function at a PCI address ("0000:03:10.1"), or why nothing does."""
    if address is None or not _ADDRESS.fullmatch(address):
        return NOT_COUNTED.format(address or "the definition does not say which")
    try:
        card, device = roots.real(f"{_DEVICES}/{address}/physfn"), roots.real(f"{_DEVICES}/{address}")
    except SourceError:
        return NOT_COUNTED.format(address)
    number = _number(card, device, roots)
    if number is None:
        return f"it is a virtual function ({address}) of {card}, which does not say its number (virtfnN)"
    interfaces = roots.list_or_empty(f"{card}/net")
    if not interfaces:
        return (
            f"virtual function {number} of PCI device {card.rpartition('/')[2]}, which has no network interface here "
            "that could be asked: its driver is not loaded, or it is in another network namespace"
        )
    # A card with two ports in one PCI function has two; as in libvirt, the first one is asked.
    return VirtualFunction(interfaces[0], number)


def _number(card: str, device: str, roots: Roots) -> int | None:
    for name in roots.list_or_empty(card):
        found = _NUMBER.fullmatch(name)
        if found and _leads_to(f"{card}/{name}", device, roots):
            return int(found[1])
    return None


def _leads_to(link: str, device: str, roots: Roots) -> bool:
    try:
        return roots.real(link) == device
    except SourceError:
        return False
