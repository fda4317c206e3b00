"""Whose receive side is whose: a host's device receives what its guest sends, except where it is the guest's own.

The rule is that of the newest libvirt (virDomainNetTypeSharesHostView), on the interface's live type. It has changed:
until 3.8 every type but direct was swapped; from 3.9 on ethernet was not, which is wrong for a plain tap.
"""

from vmiostat._core import Roots
from vmiostat.counter_sources import NetDevice
from vmiostat.errors import SourceError
from vmiostat.model import Domain, Interface, Process
from vmiostat.system.descriptors import macvtaps, open_paths

TAP = (True, "the guest's rx is the host device's tx")
MACVTAP = (False, "a macvtap is the guest's own interface: the guest's rx is its rx")


def rx_tx_view(nic: Interface, device: NetDevice, domain: Domain, roots: Roots) -> tuple[bool, str]:
    """Whether the guest's rx is the host device's tx, and why, in a sentence."""
    if nic.type == "direct":
        return MACVTAP
    if _is_macvtap(nic, device, domain, roots):
        if nic.type == "ethernet":
            if not nic.managed:
                return False, "a macvtap that the definition only uses (managed='no'): the guest's rx is its rx"
            return (
                True,
                "swapped as libvirt does, for an ethernet interface that is not managed='no'; but it is a macvtap",
            )
        # A stored definition does not say that its network hands out macvtaps; the device does.
        return False, f"of type {nic.type}, but the device is a macvtap: the guest's rx is its rx"
    return TAP


def _is_macvtap(nic: Interface, device: NetDevice, domain: Domain, roots: Roots) -> bool:
    if device.namespace is None:
        return _has_character_device(device.name, roots)
    # The machine's sysfs does not show another namespace's interfaces. There only an ethernet interface leaves it open:
    # of a domain that runs, what its network handed out is known.
    return nic.type == "ethernet" and domain.process is not None and _is_held_as_macvtap(device, domain.process, roots)


def _has_character_device(name: str, roots: Roots) -> bool:
    """Whether the host's interface is a macvtap, as sysfs shows it.

    Its character device, tapN, has its folder in the interface's: in one called macvtap or, in some kernels, beside it.
    """
    children = roots.list_or_empty(f"/sys/class/net/{name}")
    return any(child == "macvtap" or (child.startswith("tap") and child[3:].isdecimal()) for child in children)


def _is_held_as_macvtap(device: NetDevice, process: Process, roots: Roots) -> bool:
    """Whether the process has the interface's /dev/tapN open. Where that may not be looked at, it passes for a tap."""
    try:
        return device.index in macvtaps(open_paths(process.pid, roots)).values()
    except SourceError:
        return False
