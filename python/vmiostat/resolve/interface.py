"""Where an interface's packets are counted: on the host's device that the running domain names, and nowhere else."""

import os
import re
from collections.abc import Collection
from dataclasses import replace

from vmiostat._core import Roots
from vmiostat.counter_sources import NetDevice
from vmiostat.errors import SourceError
from vmiostat.model import Domain, Interface
from vmiostat.resolve.rx_tx_view import rx_tx_view
from vmiostat.resolve.virtual_function import COUNTED, virtual_function
from vmiostat.system.netns import Interfaces, NetworkNamespaces
from vmiostat.system.xen_backend import not_connected, renamed

_NAME_SIZE = 16
"""IFNAMSIZ, with the zero byte at its end."""
_NOT_IN_A_NAME = re.compile(r"[/:\s]")

_SOCKET = "QEMU sends its packets through a socket of its own ({}): no host interface counts them"

_NO_DEVICE = {
    "user": "its packets leave as the VMM's own connections (user mode networking): no host interface counts them",
    "vhostuser": "its packets go through memory shared with a switch outside the kernel: ask the switch "
    "(ovs-vsctl get Interface NAME statistics)",
    "vdpa": "its packets go between the guest and the card (vDPA): the card's driver may count them "
    "(vdpa dev vstats show)",
    "server": _SOCKET.format("type server"),
    "client": _SOCKET.format("type client"),
    "mcast": _SOCKET.format("type mcast"),
    "udp": _SOCKET.format("type udp"),
    "stream": _SOCKET.format("type stream"),
    "dgram": _SOCKET.format("type dgram"),
    "socket": _SOCKET.format("type socket"),
    "l2tpv3": _SOCKET.format("type l2tpv3"),
    "vde": _SOCKET.format("to a VDE switch, type vde"),
    "hubport": "it is connected to other guest interfaces inside QEMU alone (type hubport)",
    "af-xdp": "QEMU takes its packets from the card's queues past the host's network stack (AF_XDP): "
    "the card's driver may count them (ethtool -S)",
    "netmap": "its packets go through a netmap port, past the host's network stack",
    "null": "it is connected to nothing (type null)",
    "vds": "it is a port of a VMware switch: only that counts its packets",
}
"""Types that have no interface of the host's, whatever the definition calls their target."""
_PASST = "its packets leave as passt's connections (user mode networking): no host interface counts them"


def resolve_interface(nic: Interface, domain: Domain, namespaces: NetworkNamespaces, roots: Roots) -> Interface:
    """The interface with its counters and direction, or with a reason.

    It is looked for in the network namespace of the domain's process, then in the machine's own.
    """
    if nic.counter_source is not None or nic.reason:
        return nic
    if nic.type == "hostdev":
        return _virtual_function(nic, roots)
    if reason := _no_device(nic):
        return replace(nic, reason=reason)
    try:
        namespace, there = _where(nic.target, domain, namespaces)
    except SourceError as error:
        return replace(nic, reason=f"the host's interfaces cannot be read: {error}")
    if nic.target not in there and domain.type == "xen" and domain.id is not None:
        nic = replace(nic, target=renamed(nic.target, domain.id, roots) or nic.target)
    if nic.target not in there and not _can_be_a_name(nic.target):
        return replace(nic, reason=_nameless(nic, domain))
    counters = NetDevice(nic.target, namespace, there.get(nic.target))
    swapped, why = (nic.swap_rx_tx, nic.rx_tx_view) if nic.rx_tx_view else rx_tx_view(nic, counters, domain, roots)
    # One that is not there now is watched all the same: it is found once it comes.
    reason = _unused(nic, namespace, domain, there, roots) if nic.target in there else _absent(nic, namespace)
    return replace(nic, counter_source=counters, swap_rx_tx=swapped, rx_tx_view=why, reason=reason)


def _where(name: str, domain: Domain, namespaces: NetworkNamespaces) -> tuple[str | None, Interfaces]:
    """The namespace in which the interface is, or should be, and what interfaces are there. Raises SourceError."""
    its_own = None if domain.process is None else namespaces.of(domain.process.pid)
    if its_own is not None:
        try:
            there = namespaces.interfaces(its_own)
        except SourceError:  # the process has ended, or this takes CAP_SYS_ADMIN
            there = {}
        # A tap that was handed to the process may be in another namespace than the process.
        if name in there or name not in namespaces.interfaces():
            return its_own, there
    return None, namespaces.interfaces()


def _virtual_function(nic: Interface, roots: Roots) -> Interface:
    found = virtual_function(nic.source, roots)
    if isinstance(found, str):
        return replace(nic, reason=found)
    why = "its card counts it as the guest does: the guest's rx is the function's rx"
    return replace(nic, counter_source=found, swap_rx_tx=False, rx_tx_view=why, reason=COUNTED.format(found.device))


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


def _absent(nic: Interface, namespace: str | None) -> str:
    if namespace is not None:
        return (
            f"neither the host nor network namespace {namespace}, which its process is in, has an interface "
            f"{nic.target!r}: it is not up yet, or has gone"
        )
    return (
        f"the host has no interface {nic.target!r} (/proc/net/dev): it is not up yet, has gone, "
        "or is in another network namespace"
    )


def _unused(nic: Interface, namespace: str | None, domain: Domain, names: Collection[str], roots: Roots) -> str:
    """Why nothing may go through a Xen guest's vif: without Xen's own drivers it uses one that QEMU emulates."""
    if domain.type != "xen":
        return ""
    beside = f"{nic.target}-emu"
    if beside in names and all(nic.target != beside for nic in domain.interfaces):
        return (
            f"{beside}, which QEMU emulates for it, has counters of its own: what goes through it is not counted here"
        )
    # The machine's sysfs does not show another namespace's interfaces, and may show others of their names.
    return "" if namespace is not None else not_connected(f"/sys/class/net/{nic.target}/device", roots)
