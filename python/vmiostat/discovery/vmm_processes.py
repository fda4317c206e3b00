"""Virtual machines from the processes that run them, whoever started those: Proxmox, Incus, Ganeti, Kata, a script.

A process is taken for a virtual machine's by the program that it runs, as its command line has that (anyone may read
it): qemu-system-*, qemu-kvm, kvm, qemu; cloud-hypervisor, firecracker, crosvm. A VMM of another name is found where the
kernel lists the virtual machines of KVM, in /sys/kernel/debug/kvm (root). A tap alone makes no VMM: VPNs have some, and
slirp's and passt's helpers, and libvirt while it hands them over.

What it has plugged in now is in its descriptors: interfaces in the fdinfo of /dev/net/tun or by the number of
/dev/tapN, disks by the numbers of its block devices. That takes root or CAP_SYS_PTRACE. Its command line, which is as
old as the process, gives them names, and is all that there is for others; a tap of libvirt's is then known by its MAC
address. Files are known from the command line alone.
"""

import errno
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

from vmiostat._core import Roots
from vmiostat.discovery import (
    cloud_hypervisor_command_line,
    crosvm_command_line,
    firecracker_command_line,
    qemu_command_line,
)
from vmiostat.discovery.found import Found
from vmiostat.discovery.interface_by_mac import InterfaceByMac
from vmiostat.discovery.vmm_command_line import CommandLine
from vmiostat.discovery.vmm_devices import disks, interfaces
from vmiostat.earlier_looks import EarlierLooks
from vmiostat.errors import Error, SourceError, TopologyError
from vmiostat.model import Domain, Process
from vmiostat.process import command_line, process, sees_every_process
from vmiostat.process_descriptors import Descriptors, descriptors

PROVIDER = "processes"

_KVM = "/sys/kernel/debug/kvm"
"""A folder PID-DESCRIPTOR for each virtual machine (Documentation/virt/kvm, virt/kvm/kvm_main.c)."""
_VM_OF_KVM = re.compile(r"([1-9][0-9]{0,8})-[0-9]+", re.ASCII)
_CLOSED = (errno.EACCES, errno.EPERM)
_NAMED = 5
"""Machines that a warning names."""


def domains(roots: Roots, earlier: EarlierLooks | None = None, besides: Collection[int] = ()) -> Found:
    """The virtual machines whose processes can be seen, by pid; `besides` are pids of those known already."""
    earlier = earlier or EarlierLooks(roots)
    try:
        pids = sorted(int(name) for name in roots.list("/proc") if name.isascii() and name.isdecimal())
    except SourceError:
        return Found()
    by_mac = InterfaceByMac(earlier.namespaces, roots)
    of_kvm = _pids_of_kvm(roots)
    before, earlier.command_lines = earlier.command_lines, {}
    found: list[Domain] = []
    closed: list[Domain] = []
    hidden = False
    for pid in pids:
        if pid in besides or (pid in earlier.others and pid not in of_kvm):
            continue
        try:
            words = tuple(command_line(pid, roots))
        except SourceError as error:
            hidden = hidden or error.errno in _CLOSED
            continue
        asked = words, pid in of_kvm
        told = before.get(asked) or _told(*asked)
        if told is None:
            earlier.others.add(pid)
            continue
        earlier.command_lines[asked] = told
        runs = process(pid, roots)
        if runs is None:
            continue
        try:
            # Firecracker's jailer locks it up in a folder where the nodes of its disks have any name.
            held: Descriptors | None = descriptors(pid, roots, nodes_anywhere=_is_firecracker(_program(words)))
        except SourceError as error:
            if error.errno not in _CLOSED:  # it has ended since
                continue
            held = None
        domain = replace(
            _domain(told, runs, held),
            # A Xen guest's are those of the Xen backends.
            disks=() if told.type == "xen" else tuple(disks(told, held, runs, roots)),
            nics=tuple(interfaces(told, held, runs, earlier.namespaces, by_mac)),
        )
        found.append(domain)
        if held is None:
            closed.append(domain)
    problems = [*_closed(closed, roots), *_unseen(pids, hidden, bool(found), roots)]
    return Found(tuple(found), tuple(problems))


def _told(words: Sequence[str], has_vm: bool) -> CommandLine | None:
    """What the command line tells of a machine, None where it is no VMM's."""
    if not words:
        return None
    program = _program(words)
    for runs, understood in _VMMS:
        if runs(program):
            return understood(words)
    return CommandLine(type="kvm") if has_vm else None


def _program(words: Sequence[str]) -> str:
    return words[0].rpartition("/")[2]


def _is(program: str) -> Callable[[str], bool]:
    """Whether it is the program, or one that was made of it: firecracker-v1.13.1-x86_64, cloud-hypervisor-static."""
    return lambda name: name.startswith(program)


_is_firecracker = _is("firecracker")

_VMMS: tuple[tuple[Callable[[str], bool], Callable[[Sequence[str]], CommandLine | None]], ...] = (
    (qemu_command_line.is_qemu, qemu_command_line.command_line),
    (_is("cloud-hypervisor"), cloud_hypervisor_command_line.command_line),
    (_is_firecracker, firecracker_command_line.command_line),
    (_is("crosvm"), crosvm_command_line.command_line),
)


def _domain(told: CommandLine, runs: Process, held: Descriptors | None) -> Domain:
    """The virtual machine without its devices."""
    kind = told.type
    if held is not None and kind != "xen":
        kind = "kvm" if "/dev/kvm" in held.paths.values() else "qemu" if kind == "kvm" else kind
    return Domain(
        name=told.name or f"pid {runs.pid}",
        id=told.id,
        uuid=told.uuid,
        type=kind,
        provider=PROVIDER,
        process=runs,
    )


def _pids_of_kvm(roots: Roots) -> frozenset[int]:
    try:
        names = roots.list(_KVM)
    except SourceError:  # only for root, and not where debugfs is not mounted
        return frozenset()
    return frozenset(int(match[1]) for name in names if (match := _VM_OF_KVM.fullmatch(name)))


def _closed(closed: Sequence[Domain], roots: Roots) -> Iterator[Error]:
    if not closed:
        return
    names = ", ".join(repr(domain.name) for domain in closed[:_NAMED]) + (", ..." if len(closed) > _NAMED else "")
    yield TopologyError(
        f"the descriptors of {len(closed)} virtual machines ({names}) cannot be looked at, so their devices are those "
        "of their command lines; this takes root or CAP_SYS_PTRACE",
        roots.shown("/proc"),
    )


def _unseen(pids: Collection[int], hidden: bool, any_found: bool, roots: Roots) -> Iterator[Error]:
    # A captured /proc need not hold any process; a real one holds our own at least.
    if roots.captured or not pids or sees_every_process(roots):
        return
    if hidden or 1 not in pids:
        yield TopologyError(
            "other users' processes are hidden (it is mounted with hidepid), so virtual machines are not found by "
            "their processes; this takes root, or the group that its mount option gid= names",
            roots.shown("/proc"),
        )
    elif not any_found:
        yield TopologyError(
            "only the processes of this PID namespace are seen, a container's: virtual machines outside are not found "
            "by their processes; this takes the host's PID namespace (--pid=host), or its /proc (--proc)",
            roots.shown("/proc"),
        )
