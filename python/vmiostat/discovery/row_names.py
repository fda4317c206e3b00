"""The names that rows have: none is long or empty, and no two devices of a domain have the same one."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from vmiostat.discovery.limits import NAME_BYTES, SOURCE_BYTES, cut_name
from vmiostat.model import TOTAL, Disk, Domain, Interface

Device = TypeVar("Device", Disk, Interface)

CHANGED = f"some names are changed: they have more than {NAME_BYTES} bytes, or two devices have the same one"


def with_row_names(domain: Domain) -> Domain:
    """The domain with such names; itself if it has them, so that a rescan sees that nothing has changed."""
    name = cut_name(domain.name)
    # The domain's own row is called total.
    disks = tuple(_each_once(domain.disks, TOTAL))
    interfaces = tuple(_each_once(domain.interfaces))
    pairs = zip((*disks, *interfaces), (*domain.disks, *domain.interfaces), strict=True)
    if name == domain.name and all(new is old for new, old in pairs):
        return domain
    return replace(domain, name=name, disks=disks, interfaces=interfaces)


def _each_once(devices: Iterable[Device], *taken: str) -> Iterator[Device]:
    """A taken or empty name gets a suffix."""
    times = dict.fromkeys(taken, 1)
    for device in devices:
        target = wanted = cut_name(device.target) or "?"
        while target in times:
            times[wanted] += 1
            target = cut_name(f"{wanted}#{times[wanted]}")
        times[target] = 1
        source = device.source if device.source is None else cut_name(device.source, SOURCE_BYTES)
        if (target, source) == (device.target, device.source):
            yield device
        else:
            yield replace(device, target=target, source=source)
