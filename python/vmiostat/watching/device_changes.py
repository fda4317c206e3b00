"""Disks and Xen backends that come, go or change: the kernel's uevents."""

from vmiostat.watching.netlink_group import NetlinkGroup

_NETLINK_KOBJECT_UEVENT = 15
_OF_THE_KERNEL = 1
"""Group 2 is udev's: the same again, later."""
_SUBSYSTEMS = {b"SUBSYSTEM=block", b"SUBSYSTEM=xen-backend"}


class DeviceChanges(NetlinkGroup):
    """Says when a block device or a Xen backend came, went or changed (a loop device got another file)."""

    def __init__(self) -> None:
        super().__init__(_NETLINK_KOBJECT_UEVENT, _OF_THE_KERNEL)

    def _matters(self, message: bytes) -> bool:
        """A message is ACTION@DEVPATH and KEY=VALUE words, each with a zero byte at its end."""
        return not _SUBSYSTEMS.isdisjoint(message.split(b"\0"))
