"""What counts an interface's packets: only the host's device that the running domain names."""

import re
from collections.abc import Collection
from dataclasses import replace

from vmiostat._core import Roots
from vmiostat.counter_sources import Missing, NetDevice, because
from vmiostat.errors import SourceError
from vmiostat.model import Domain, Interface
from vmiostat.resolve.not_running import not_running
from vmiostat.resolve.rx_tx_view import rx_tx_view
from vmiostat.resolve.virtual_function import COUNTED, virtual_function
from vmiostat.system.netns import Interfaces, NetworkNamespaces
from vmiostat.system.xen_backend import not_connected, renamed

_INIT = 1
"""The first process of a PID namespace; the host's, where its /proc is seen."""
_NAME_SIZE = 16
"""IFNAMSIZ, with the final zero byte."""
_NOT_IN_A_NAME = re.compile(r"[/:\s\0\ud800-\udc7f\udd00-\udfff]")

_SOCKET = "QEMU sends its packets through a socket ({}): no host interface counts them"

_NO_DEVICE = {
    "user": "its packets leave as connections of the VMM (user mode networking): no host interface counts them",
    "vhostuser": "its packets go through memory shared with another process, and the kernel does not see them; if that "
    "is Open vSwitch, it counts them (ovs-vsctl get Interface NAME statistics)",
    "vdpa": "its packets go directly to the card (vDPA), whose driver may count them (vdpa dev vstats show)",
    "server": _SOCKET.format("type server"),
    "client": _SOCKET.format("type client"),
    "mcast": _SOCKET.format("type mcast"),
    "udp": _SOCKET.format("type udp"),
    "stream": _SOCKET.format("type stream"),
    "dgram": _SOCKET.format("type dgram"),
    "socket": _SOCKET.format("type socket"),
    "l2tpv3": _SOCKET.format("type l2tpv3"),
    "vde": _SOCKET.format("to a VDE switch, type vde"),
    "hubport": "it is connected only to other interfaces inside QEMU (type hubport)",
    "af-xdp": "its packets bypass the host's network stack (AF_XDP): the card's driver may count them (ethtool -S)",
    "netmap": "its packets bypass the host's network stack (netmap)",
    "null": "it is connected to nothing (type null)",
    "vds": "it is a port of a VMware switch, and only that counts its packets",
}
"""Types without a host interface, whatever target the definition names."""
_PASST = "its packets leave as connections of passt (user mode networking): no host interface counts them"


def resolve_interface(nic: Interface, domain: Domain, namespaces: NetworkNamespaces, roots: Roots) -> Interface:
    """The interface with its counter source and rx/tx view, or with a reason.

    The host's device is looked up in the network namespace of the domain's process, then in the machine's own.
    """
    if nic.counter_source is not None or nic.reason:
        return nic
    if nic.type == "hostdev":
        return _virtual_function(nic, roots)
    if reason := _no_device(nic):
        return replace(nic, reason=reason)
    try:
        namespace, there = _where(nic.target, domain, namespaces, roots)
    except SourceError as error:
        return replace(nic, reason=because(error, f"the host's interfaces cannot be read: {error}"))
    if nic.target not in there and domain.type == "xen" and domain.id is not None:
        nic = replace(nic, target=renamed(nic.target, domain.id, roots) or nic.target)
    if nic.target not in there and not _can_be_a_name(nic.target):
        return replace(nic, reason=Missing(_nameless(nic, domain)))
    counters = NetDevice(nic.target, namespace, there.get(nic.target))
    swapped, why = (nic.swap_rx_tx, nic.rx_tx_view) if nic.rx_tx_view else rx_tx_view(nic, counters, domain, roots)
    # An absent interface gets a counter source, too: its row becomes ok when it appears.
    if nic.target in there:
        reason = _unused(nic, namespace, domain, there, roots) or not_running(domain)
    else:
        reason = _absent(nic, namespace, domain)
    return replace(nic, counter_source=counters, swap_rx_tx=swapped, rx_tx_view=why, reason=reason)


def _where(name: str, domain: Domain, namespaces: NetworkNamespaces, roots: Roots) -> tuple[str | None, Interfaces]:
    """The namespace in which the interface is or should be, and its interfaces. Raises SourceError.

    That of the domain's process. Where it is unknown, that of process 1: in a container with the host's /proc it is the
    host's, and the container's own is not.
    """
    if domain.process is None and roots.shown("/proc") == "/proc" and name in namespaces.interfaces():
        return None, namespaces.interfaces()
    its_own = namespaces.of(_INIT if domain.process is None else domain.process.pid)
    if its_own is not None:
        try:
            there = namespaces.interfaces(its_own)
        except SourceError:  # the process has ended, or CAP_SYS_ADMIN is missing
            there = {}
        # A tap that was passed to the process need not be in the process's namespace.
        if name in there or name not in namespaces.interfaces():
            return its_own, there
    return None, namespaces.interfaces()


def _virtual_function(nic: Interface, roots: Roots) -> Interface:
    found = virtual_function(nic.source, roots)
    if isinstance(found, str):
        return replace(nic, reason=found)
    why = "the card counts from the guest's side: the guest's rx is the function's rx"
    return replace(nic, counter_source=found, swap_rx_tx=False, rx_tx_view=why, reason=COUNTED.format(found.device))


def _no_device(nic: Interface) -> str:
    if nic.type in ("user", "vhostuser") and nic.source == "passt":
        return _PASST
    return _NO_DEVICE.get(nic.type, "")


def _can_be_a_name(target: str) -> bool:
    """Whether the kernel allows this name for an interface: it becomes part of a path in sysfs."""
    if target in ("", ".", "..") or _NOT_IN_A_NAME.search(target):
        return False
    return len(target.encode(errors="surrogateescape")) < _NAME_SIZE


def _nameless(nic: Interface, domain: Domain) -> str:
    # A MAC address or net:0 is the target if the definition names no interface.
    if ":" not in nic.target:
        return (
            f"{nic.target!r} is no name that an interface can have; an alternative name (ip link property) is not "
            "looked up: name the interface itself"
        )
    if domain.id is None:
        return "according to its definition the domain is not running (it has no id), and it names no host interface"
    return "the definition names no host interface (<target dev='...'>)"


def _absent(nic: Interface, namespace: str | None, domain: Domain) -> str:
    if namespace is not None:
        whose = "its process" if domain.process is not None else "process 1"
        return (
            f"neither the host nor the network namespace of {whose} ({namespace}) has an interface {nic.target!r}: "
            "it is not up yet or is gone"
        )
    return (
        f"the host has no interface {nic.target!r} (/proc/net/dev): it is not up yet, is gone, or is in another "
        "network namespace"
    )


def _unused(nic: Interface, namespace: str | None, domain: Domain, names: Collection[str], roots: Roots) -> str:
    """Why a Xen guest may not use its vif: without Xen's drivers it uses the one that QEMU emulates."""
    if domain.type != "xen":
        return ""
    emulated = f"{nic.target}-emu"
    if emulated in names and emulated not in map(str, domain.interfaces):
        return f"packets through {emulated}, which QEMU emulates for it, are counted there and not here"
    # sysfs does not show another namespace's interfaces, and may show others of the same name.
    return "" if namespace is not None else not_connected(f"/sys/class/net/{nic.target}/device", roots)
