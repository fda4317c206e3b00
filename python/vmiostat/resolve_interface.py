"""Where an interface's packets are counted: on the host's device that the running domain names, and nowhere else."""

import os
import re
from collections.abc import Collection
from dataclasses import replace

from vmiostat._core import Roots
from vmiostat.counters import NetDevice
from vmiostat.direction import direction
from vmiostat.model import Domain, Interface

_NAME_SIZE = 16
"""IFNAMSIZ, with the zero byte at its end."""
_NOT_IN_A_NAME = re.compile(r"[/:\s]")

_SOCKET = "QEMU sends its packets through a socket of its own ({}): no host interface counts them"

_NO_DEVICE = {
    "user": "its packets leave as the VMM's own connections (user mode networking): no host interface counts them",
    "vhostuser": "its packets go through memory shared with a switch outside the kernel: ask the switch "
    "(ovs-vsctl get Interface NAME statistics)",
    "hostdev": "a device of the host handed to the guest: the host's kernel does not see its packets "
    "(a virtual function's card does: ip -s link show dev PF)",
    "vdpa": "its packets go between the guest and the card (vDPA): the card's driver may count them "
    "(vdpa dev vstats show)",
    "server": _SOCKET.format("type server"),
    "client": _SOCKET.format("type client"),
    "mcast": _SOCKET.format("type mcast"),
    "udp": _SOCKET.format("type udp"),
    "null": "it is connected to nothing (type null)",
    "vds": "it is a port of a VMware switch: only that counts its packets",
}
"""Types that have no interface of the host's, whatever the definition calls their target."""
_PASST = "its packets leave as passt's connections (user mode networking): no host interface counts them"


def resolve_interface(nic: Interface, domain: Domain, names: Collection[str], roots: Roots) -> Interface:
    """The interface with its counters and direction, or with a reason; `names` are those of the host's interfaces."""
    if nic.counters is not None or nic.reason:
        return nic
    if reason := _no_device(nic):
        return replace(nic, reason=reason)
    there = nic.target in names
    if not there and not _can_be_a_name(nic.target):
        return replace(nic, reason=_nameless(nic, domain))
    swapped, why = (nic.swapped, nic.direction) if nic.direction else direction(nic, roots)
    # One that is not there now is watched all the same: it is found once it comes.
    reason = _emulated(nic, domain, names) if there else _absent(nic)
    return replace(nic, counters=NetDevice(nic.target), swapped=swapped, direction=why, reason=reason)


def _no_device(nic: Interface) -> str:
    if nic.type == "user" and nic.source == "passt":
        return _PASST
    return _NO_DEVICE.get(nic.type, "")


def _can_be_a_name(target: str) -> bool:
    """Whether the kernel would let an interface be called so: a definition's word becomes part of a path in sysfs."""
    return 0 < len(os.fsencode(target)) < _NAME_SIZE and target not in (".", "..") and not _NOT_IN_A_NAME.search(target)


def _nameless(nic: Interface, domain: Domain) -> str:
    # A MAC address or net:0 stands in the place of a name that the definition does not have.
    if ":" not in nic.target:
        return f"no interface can be called {nic.target!r}: the kernel would not allow it"
    if domain.id is None:
        return "the domain is not running as far as its definition says (it has no id), and names no host interface"
    return "the definition names no host interface (<target dev='...'>)"


def _absent(nic: Interface) -> str:
    return (
        f"the host has no interface {nic.target!r} (/proc/net/dev): it is not up yet, has gone, "
        "or is in another network namespace"
    )


def _emulated(nic: Interface, domain: Domain, names: Collection[str]) -> str:
    """A Xen guest without Xen's own drivers sends through an interface that QEMU emulates, not through the vif."""
    beside = f"{nic.target}-emu"
    if domain.type != "xen" or beside not in names or beside in domain.interfaces:
        return ""
    return f"{beside}, which QEMU emulates for it, has counters of its own: what goes through it is not counted here"
