"""Whether rx and tx of a host device are swapped for its guest: a tap receives what the guest sends.

The rule is that of the newest libvirt (virDomainNetTypeSharesHostView), applied to the interface's live type. Older
ones differ: up to 3.8 libvirt swapped all types except direct; since 3.9 not ethernet, which is wrong for a plain tap.
"""

from vmiostat._core import Roots
from vmiostat.counter_sources import NetDevice
from vmiostat.errors import SourceError
from vmiostat.model import Domain, Interface, Process
from vmiostat.system.descriptors import macvtaps, open_paths

TAP = (True, "the guest's rx is the host device's tx")
MACVTAP = (False, "a macvtap is the guest's own interface: the guest's rx is its rx")


def rx_tx_view(nic: Interface, device: NetDevice, domain: Domain, roots: Roots) -> tuple[bool, str]:
    """Whether the guest's rx is the host device's tx, and a sentence why."""
    if nic.type == "direct":
        return MACVTAP
    if _is_macvtap(nic, device, domain, roots):
        if nic.type == "ethernet":
            if not nic.managed:
                return False, "a macvtap that the definition only uses (managed='no'): the guest's rx is its rx"
            return (
                True,
                "swapped as in libvirt, since the ethernet interface is not managed='no'; but it is a macvtap",
            )
        # A stored definition does not show that its network provides macvtaps; the device does.
        return False, f"of type {nic.type}, but the device is a macvtap: the guest's rx is its rx"
    return TAP


def _is_macvtap(nic: Interface, device: NetDevice, domain: Domain, roots: Roots) -> bool:
    if device.namespace is None:
        return _has_character_device(device.name, roots)
    # sysfs does not show another namespace's interfaces. Only type ethernet leaves it open there: for a network, a
    # running domain's definition has the live type.
    return nic.type == "ethernet" and domain.process is not None and _is_held_as_macvtap(device, domain.process, roots)


def _has_character_device(name: str, roots: Roots) -> bool:
    """Whether the host's interface is a macvtap according to sysfs.

    The folder of its character device tapN is in the interface's macvtap/ or, on some kernels, in the interface's own.
    """
    children = roots.list_or_empty(f"/sys/class/net/{name}")
    return any(child == "macvtap" or (child.startswith("tap") and child[3:].isdecimal()) for child in children)


def _is_held_as_macvtap(device: NetDevice, process: Process, roots: Roots) -> bool:
    """Whether the process has the interface's /dev/tapN open. If that cannot be read, it is taken for a tap."""
    try:
        return device.index in macvtaps(open_paths(process.pid, roots)).values()
    except SourceError:
        return False
