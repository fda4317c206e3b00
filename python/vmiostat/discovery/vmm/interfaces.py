"""A VMM's interfaces: those that it has open, with what its command line says about them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain

from vmiostat.counter_sources import Denied, Missing, NetDevice, because
from vmiostat.discovery.vmm.command_line import CommandLine, Netdev
from vmiostat.discovery.vmm.interface_by_mac import InterfaceByMac
from vmiostat.errors import SourceError
from vmiostat.model import Interface, Process
from vmiostat.system.descriptors import Descriptors
from vmiostat.system.netns import NetworkNamespaces

_TAP = "the VMM has it open as a tap: the guest's rx is the host device's tx"
_UNNUMBERED = (
    "/dev/{name} belongs to the interface with that number, and interface numbers of its network namespace cannot be "
    "read: this takes CAP_SYS_ADMIN (a captured machine has none)"
)
_ELSEWHERE = (
    "it is in another network namespace{}, whose interfaces are not found: that takes a name in /run/netns, or a "
    "virtual machine that runs in it"
)
_NAMELESS = (
    "only the descriptors of process {pid} (/proc/{pid}/fdinfo) show which host interface it is: reading them takes "
    "root or CAP_SYS_PTRACE"
)


def interfaces(
    line: CommandLine,
    opened: Descriptors | None,
    process: Process,
    namespaces: NetworkNamespaces,
    by_mac: InterfaceByMac,
) -> Iterator[Interface]:
    """The interfaces that are open, then the network cards without a host interface.

    Without descriptors, the interfaces that the command line names, or that the card's MAC address identifies.
    """
    if opened is None:
        in_our_namespace = namespaces.of(process.pid) is None
        of_the_host = _named(line, process, by_mac if in_our_namespace else None)
    else:
        of_the_host = _open_interfaces(line, opened, process, namespaces)
    others = (
        Interface(netdev.id, netdev.type, netdev.mac, netdev.source) for netdev in line.netdevs if netdev.type != "tap"
    )
    return chain(of_the_host, others)


def _named(line: CommandLine, process: Process, by_mac: InterfaceByMac | None) -> Iterator[Interface]:
    for netdev in line.netdevs:
        if netdev.type != "tap":
            continue
        found = (netdev.interface, "ethernet") if netdev.interface else by_mac.find(netdev.mac) if by_mac else None
        name, kind = found or (netdev.id, "ethernet")
        reason = "" if found else Denied(_NAMELESS.format(pid=process.pid))
        yield Interface(name, kind, netdev.mac, netdev.source, reason=reason)


def _open_interfaces(
    line: CommandLine, opened: Descriptors, process: Process, namespaces: NetworkNamespaces
) -> Iterator[Interface]:
    places: defaultdict[str, set[int | None]] = defaultdict(set)
    for descriptor, name in opened.taps.items():
        places[name].add(opened.tap_namespaces.get(descriptor))
    taps = {
        descriptor: _tap(name, opened.tap_namespaces.get(descriptor), len(places[name]) == 1, process, namespaces)
        for descriptor, name in opened.taps.items()
    }
    numbers = _names_by_number(process, namespaces) if opened.macvtaps else {}
    macvtaps = {descriptor: _macvtap(descriptor, opened, numbers) for descriptor in opened.macvtaps}
    held = dict(sorted((taps | macvtaps).items()))
    netdevs = _netdevs(line, held)
    # In the command line's order, then those plugged in later; each once, however many queues it has.
    for nic in dict.fromkeys([*netdevs, *held.values()]):
        netdev = netdevs.get(nic)
        yield nic if netdev is None else replace(nic, mac=netdev.mac, source=netdev.source)


def _tap(name: str, inode: int | None, is_only: bool, process: Process, namespaces: NetworkNamespaces) -> Interface:
    """It need not be in the namespace of the process, which may have been passed it, and others of its name."""
    nic = Interface(name, "ethernet", rx_tx_view=_TAP)
    if inode is None:
        return nic
    its_own = namespaces.of(process.pid)
    try:
        namespace = namespaces.with_inode(inode)
        if namespace == its_own and is_only:  # where it is looked up in any case
            return nic
        number = namespaces.interfaces(namespace).get(name)
        return replace(nic, counter_source=NetDevice(name, namespace, number))
    except LookupError:
        return replace(nic, reason=Missing(_ELSEWHERE.format(f" (net:[{inode}])")))
    except SourceError as error:
        return replace(nic, reason=because(error, f"the interfaces of its network namespace cannot be read: {error}"))


def _macvtap(descriptor: int, opened: Descriptors, names: Mapping[int, str]) -> Interface:
    number = opened.macvtaps[descriptor]
    if number not in names:  # the name of its character device stands in for its own
        return Interface(f"tap{number}", "direct", reason=Denied(_UNNUMBERED.format(name=f"tap{number}")))
    name = opened.macvtap_names.get(descriptor, names[number])
    return Interface(name, "direct", reason="" if name == names[number] else Missing(_ELSEWHERE.format("")))


def _names_by_number(process: Process, namespaces: NetworkNamespaces) -> dict[int, str]:
    try:
        there = namespaces.interfaces(namespaces.of(process.pid))
    except SourceError:
        return {}
    return {number: name for name, number in there.items() if number is not None}


def _netdevs(line: CommandLine, held: Mapping[int, Interface]) -> dict[Interface, Netdev]:
    """What the command line says about each open interface."""
    found: dict[Interface, Netdev] = {}
    nameless = []
    named = {nic.target: nic for nic in reversed([*held.values()])}
    for netdev in line.netdevs:
        handed = [held[descriptor] for descriptor in netdev.descriptors if descriptor in held]
        if handed or netdev.interface in named:
            found[handed[0] if handed else named[str(netdev.interface)]] = netdev
        elif netdev.type == "tap" and not netdev.descriptors and netdev.interface is None:
            nameless.append(netdev)
    # QEMU or its bridge helper named these, and opened them in the command line's order.
    others = [nic for nic in dict.fromkeys(held.values()) if nic not in found]
    if len(nameless) == len(others):
        found |= zip(others, nameless, strict=True)
    return found
