"""The network card that counts a virtual function, by the function's PCI address in the guest's definition."""

import re

from vmiostat._core import Roots
from vmiostat.counter_sources import Missing, VirtualFunction
from vmiostat.errors import SourceError

_DEVICES = "/sys/bus/pci/devices"
_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]", re.ASCII)
_NUMBER = re.compile(r"virtfn([0-9]+)", re.ASCII)

NOT_COUNTED = (
    "a whole PCI device ({}) that the guest owns: the host's kernel does not see its packets (only a virtual function "
    "is counted, by its card)"
)
COUNTED = (
    "the newest answer of the card's driver, which is 0 if it does not count virtual functions (ip -s link show dev {} "
    "has the same)"
)


def virtual_function(address: str | None, roots: Roots) -> VirtualFunction | str:
    """What counts the function at a PCI address (0000:03:10.1), or the reason why nothing does."""
    if address is None or not _ADDRESS.fullmatch(address):
        return NOT_COUNTED.format(address or "without an address in the definition")
    try:
        card, device = roots.real(f"{_DEVICES}/{address}/physfn"), roots.real(f"{_DEVICES}/{address}")
    except SourceError:
        return NOT_COUNTED.format(address)
    number = _number(card, device, roots)
    if number is None:
        return Missing(f"a virtual function ({address}) of {card}, in which no virtfnN leads to it")
    interfaces = roots.list_or_empty(f"{card}/net")
    if not interfaces:
        return Missing(
            f"virtual function {number} of PCI device {card.rpartition('/')[2]}, which has no network interface here: "
            "its driver is not loaded, or the interface is in another network namespace"
        )
    # A card with two ports in one PCI function has two; use the first one, as libvirt does.
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
