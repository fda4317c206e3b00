"""Whose receive side is whose: a host's device receives what its guest sends, except where it is the guest's own.

The rule is that of the newest libvirt (virDomainNetTypeSharesHostView), on the interface's live type. It has changed:
until 3.8 every type but direct was swapped; from 3.9 on ethernet was not, which is wrong for a plain tap.
"""

from vmiostat._core import Roots
from vmiostat.errors import SourceError
from vmiostat.model import Interface


def direction(nic: Interface, roots: Roots) -> tuple[bool, str]:
    """Whether the guest's rx is the host device's tx, and why, in a sentence."""
    if nic.type == "direct":
        return False, "a macvtap is the guest's own interface: the guest's rx is its rx"
    if is_macvtap(nic.target, roots):
        if nic.type == "ethernet":
            if not nic.managed:
                return False, "a macvtap that the definition only uses (managed='no'): the guest's rx is its rx"
            return (
                True,
                "swapped as libvirt does, for an ethernet interface that is not managed='no'; but it is a macvtap",
            )
        # A stored definition does not say that its network hands out macvtaps; the device does.
        return False, f"of type {nic.type}, but the device is a macvtap: the guest's rx is its rx"
    return True, "the guest's rx is the host device's tx"


def is_macvtap(name: str, roots: Roots) -> bool:
    """Whether the host's interface is a macvtap.

    Its character device, tapN, has its folder in the interface's: in one called macvtap or, in some kernels, beside it.
    """
    try:
        children = roots.list(f"/sys/class/net/{name}")
    except SourceError:
        return False
    return any(child == "macvtap" or (child.startswith("tap") and child[3:].isdecimal()) for child in children)
