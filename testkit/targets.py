"""The names that a domain's devices have."""

from collections.abc import Iterable

from vmiostat import Disk, Interface


def targets(devices: Iterable[Disk | Interface]) -> list[str]:
    """Each device's target, in their order."""
    return [device.target for device in devices]
