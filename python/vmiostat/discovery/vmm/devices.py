"""A VMM's devices: those that its descriptors show, under the names that its command line has for them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import TypeVar

from vmiostat._core import Roots
from vmiostat.counter_sources import BlockDevice
from vmiostat.discovery.vmm.command_line import CommandLine, Netdev
from vmiostat.discovery.vmm.interface_by_mac import InterfaceByMac
from vmiostat.errors import SourceError
from vmiostat.model import Disk, Interface, Process
from vmiostat.system.block_device import Number, device_number
from vmiostat.system.descriptors import Descriptors
from vmiostat.system.netns import NetworkNamespaces

Device = TypeVar("Device", Disk, Interface)

_TAP = "the VMM has it open as a tap: the guest's rx is the host device's tx"
_READ_ONLY = (
    "the VMM has it open for reading only, as it has what lies beneath a snapshot's overlay: what the guest writes "
    "goes elsewhere and is not counted here"
)
_UNNUMBERED = (
    "which interface has the character device /dev/{name} is told by its number, and the numbers of its network "
    "namespace's interfaces cannot be read: this takes CAP_SYS_ADMIN (a captured machine has none)"
)
_NAMELESS = (
    "which of the host's interfaces it is only the descriptors of process {pid} tell (/proc/{pid}/fdinfo): "
    "this takes root or CAP_SYS_PTRACE"
)


def disks(told: CommandLine, held: Descriptors | None, runs: Process, roots: Roots) -> Iterator[Disk]:
    """The disks of the command line, but for block devices that are not open any more; then block devices beside those.

    A file that is plugged in or out later is not noticed: nothing tells a disk's from another file.
    """
    yield from _each_once(told.disks if held is None else _open_disks(told, held, runs, roots))


def _open_disks(told: CommandLine, held: Descriptors, runs: Process, roots: Roots) -> Iterator[Disk]:
    open_devices = {number: descriptor for descriptor, number in reversed(held.block_devices.items())}
    writable = {number for descriptor, number in held.block_devices.items() if descriptor not in held.reading_only}
    beneath = {_number(path, held, runs, roots) for path in told.beneath if path.startswith("/dev/")}
    seen: set[Number] = set()
    for disk in told.disks:
        if disk.type != "block" or disk.source is None:
            yield disk
            continue
        number = _number(disk.source, held, runs, roots)
        if number in open_devices and number is not None:
            seen.add(number)
            only_read = disk.device == "disk" and disk.target not in told.read_only and number not in writable
            yield replace(disk, counter_source=BlockDevice(*number), reason=_READ_ONLY if only_read else "")
    for number, descriptor in sorted(open_devices.items(), key=lambda item: item[1]):
        path = held.paths[descriptor]
        if number not in seen and number not in beneath:
            yield Disk(path, "block", source=path, counter_source=BlockDevice(*number))


def _number(path: str, held: Descriptors, runs: Process, roots: Roots) -> Number | None:
    """The number of a block device of the command line: as the process opened it, else as it sees it, else as we do."""
    for descriptor, number in held.block_devices.items():
        if held.paths[descriptor] == path:
            return number
    for place in (f"/proc/{runs.pid}/root{path}", path):
        try:
            return device_number(place, roots)
        except SourceError:
            continue
    return None


def interfaces(
    told: CommandLine, held: Descriptors | None, runs: Process, namespaces: NetworkNamespaces, by_mac: InterfaceByMac
) -> Iterator[Interface]:
    """The interfaces that are open, then the network cards that have none of the host's.

    Without descriptors: those that the command line names, or that only one of the host's can be.
    """
    if held is None:
        in_our_namespace = namespaces.of(runs.pid) is None
        of_the_host = _named(told, runs, by_mac if in_our_namespace else None)
    else:
        of_the_host = _open_interfaces(told, held, runs, namespaces)
    others = (
        Interface(netdev.id, netdev.type, netdev.mac, netdev.source) for netdev in told.netdevs if netdev.type != "tap"
    )
    yield from _each_once(chain(of_the_host, others))


def _named(told: CommandLine, runs: Process, by_mac: InterfaceByMac | None) -> Iterator[Interface]:
    for netdev in told.netdevs:
        if netdev.type != "tap":
            continue
        found = (netdev.interface, "ethernet") if netdev.interface else by_mac.find(netdev.mac) if by_mac else None
        name, kind = found or (netdev.id, "ethernet")
        reason = "" if found else _NAMELESS.format(pid=runs.pid)
        yield Interface(name, kind, netdev.mac, netdev.source, reason=reason)


def _open_interfaces(
    told: CommandLine, held: Descriptors, runs: Process, namespaces: NetworkNamespaces
) -> Iterator[Interface]:
    numbers = _names_by_number(runs, namespaces) if held.macvtaps else {}
    # One whose name is not known is called as its character device is.
    macvtaps = {descriptor: numbers.get(number, f"tap{number}") for descriptor, number in held.macvtaps.items()}
    nameless = {f"tap{number}" for number in held.macvtaps.values() if number not in numbers}
    names = dict(sorted((held.taps | macvtaps).items()))
    netdevs = _netdevs(told, names)
    # In the command line's order, then what was plugged in later; each once, however many queues it has.
    for name in dict.fromkeys([*netdevs, *names.values()]):
        netdev = netdevs.get(name, Netdev(name))
        if name not in macvtaps.values():
            nic = Interface(name, "ethernet", netdev.mac, netdev.source, rx_tx_view=_TAP)
        elif name in nameless:
            nic = Interface(name, "direct", netdev.mac, netdev.source, reason=_UNNUMBERED.format(name=name))
        else:
            nic = Interface(name, "direct", netdev.mac, netdev.source)
        yield nic


def _names_by_number(runs: Process, namespaces: NetworkNamespaces) -> dict[int, str]:
    try:
        there = namespaces.interfaces(namespaces.of(runs.pid))
    except SourceError:
        return {}
    return {number: name for name, number in there.items() if number is not None}


def _netdevs(told: CommandLine, names: Mapping[int, str]) -> dict[str, Netdev]:
    """The command line's word on each open interface, by the interface's name."""
    found: dict[str, Netdev] = {}
    nameless = []
    for netdev in told.netdevs:
        handed = [names[descriptor] for descriptor in netdev.descriptors if descriptor in names]
        if handed or netdev.interface in names.values():
            found[handed[0] if handed else str(netdev.interface)] = netdev
        elif netdev.type == "tap" and not netdev.descriptors and netdev.interface is None:
            nameless.append(netdev)
    # Those that QEMU or its bridge helper gave a name to: they were opened in the command line's order.
    others = [name for name in dict.fromkeys(names.values()) if name not in found]
    if len(nameless) == len(others):
        found |= zip(others, nameless, strict=True)
    return found


def _each_once(devices: Iterable[Device]) -> Iterator[Device]:
    """A command line may call two devices the same; a name that is taken, or empty, gets a number at its end."""
    times: dict[str, int] = {}
    for device in devices:
        target = wanted = device.target or "?"
        while target in times:
            times[wanted] += 1
            target = f"{wanted}#{times[wanted]}"
        times[target] = 1
        yield device if target == device.target else replace(device, target=target)
