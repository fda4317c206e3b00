"""Since when a VM's counters have counted: many are younger than the host, and so are their first rates."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from vmiostat import CgroupIo, NetDevice, ProcessIo, VmmReported

if TYPE_CHECKING:
    from vmiostat import Disk, Domain, Interface

_TICKS = os.sysconf("SC_CLK_TCK")
"""In a second, of the times in /proc/PID/stat."""


def age(domain: Domain | None, device: Disk | Interface | None, uptime: float | None) -> float | None:
    """Seconds since the domain's process started, if the device's counters were 0 then; None where they may be older.

    A host's block device or a card's virtual function was there before the VM, and has counted for others.
    """
    if domain is None or device is None or domain.process is None or domain.process.started is None or uptime is None:
        return None
    if not _begins_with_the_domain(device):
        return None
    seconds = uptime - domain.process.started / _TICKS
    return seconds if 0 < seconds < uptime else None


def _begins_with_the_domain(device: Disk | Interface) -> bool:
    source = device.counter_source
    if isinstance(source, NetDevice):
        return getattr(device, "managed", True)  # else the device was made by others, at any time
    return isinstance(source, CgroupIo | ProcessIo | VmmReported)
