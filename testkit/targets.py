"""The names of a domain's devices."""

from collections.abc import Iterable

from vmiostat import Disk, Interface


def targets(devices: Iterable[Disk | Interface]) -> list[str]:
    """The targets of the devices, in their order."""
    return [device.target for device in devices]
