"""One process that runs a virtual machine, and the machine as its command line and what it has open show it."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmiostat.discovery.running_process import running_process
from vmiostat.discovery.vmm import cloud_hypervisor as cloud_hypervisor_command_line
from vmiostat.discovery.vmm import crosvm as crosvm_command_line
from vmiostat.discovery.vmm import firecracker as firecracker_command_line
from vmiostat.discovery.vmm.command_line import CommandLine
from vmiostat.discovery.vmm.devices import disks, interfaces
from vmiostat.discovery.vmm.qemu import command_line as qemu_command_line
from vmiostat.errors import SourceError
from vmiostat.model import Domain
from vmiostat.system.descriptors import descriptors, open_numbers, open_paths
from vmiostat.system.processes import command_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vmiostat._core import Roots
    from vmiostat.discovery.provider import ScanContext
    from vmiostat.discovery.vmm.interface_by_mac import InterfaceByMac
    from vmiostat.model import Process
    from vmiostat.system.descriptors import Descriptors

PROVIDER = "processes"

CLOSED = (errno.EACCES, errno.EPERM)


@dataclass(frozen=True, slots=True)
class VmmProcess:
    """A process that runs a virtual machine, and what of it was looked at."""

    words: Sequence[str]
    """Its command line."""
    has_vm: bool
    """KVM has a virtual machine of this process: it is a VMM whatever it is called."""
    told: CommandLine
    runs: Process
    paths: Mapping[int, str] | None
    """Its open files; None where they may not be looked at."""
    domain: Domain


def vmm_process(
    pid: int, has_vm: bool, before: VmmProcess | None, context: ScanContext, by_mac: InterfaceByMac
) -> VmmProcess | None:
    """The process of this pid, None if it runs no virtual machine. Raises SourceError where it cannot be seen.

    What the scan before saw stands while the process has files open under the same numbers. Otherwise, and in a full
    scan, only the meaning of its command line stands, if that is the same.
    """
    roots = context.roots
    if before is not None and not context.full and _is_as(before, has_vm, roots):
        return before
    words = command_line(pid, roots)
    same = before is not None and (before.words, before.has_vm) == (words, has_vm)
    told = before.told if before is not None and same else _told(words, has_vm)
    if told is None:
        return None
    runs = running_process(pid, roots)
    if runs is None:
        raise SourceError(errno.ESRCH, "the process has ended", roots.shown(f"/proc/{pid}"))
    paths = _open_paths(pid, roots)
    # Firecracker's jailer locks it up in a folder where the nodes of its disks have any name.
    nodes_anywhere = _is_firecracker(_program(words))
    held = None if paths is None else descriptors(pid, roots, paths, nodes_anywhere=nodes_anywhere)
    domain = Domain(
        name=told.name or f"pid {pid}",
        id=told.id,
        uuid=told.uuid,
        type=_type(told, held),
        provider=PROVIDER,
        process=runs,
        # A Xen guest's are those of the Xen backends.
        disks=() if told.type == "xen" else tuple(disks(told, held, runs, roots)),
        interfaces=tuple(interfaces(told, held, runs, context.namespaces, by_mac)),
    )
    return VmmProcess(words, has_vm, told, runs, paths, domain)


def _is_as(before: VmmProcess, has_vm: bool, roots: Roots) -> bool:
    """What is plugged in is one more open file. What got the number of something that was plugged out in the same
    moment is not noticed here, nor is another program (execve), nor another process of the same pid."""
    if before.paths is None or before.has_vm != has_vm:
        return False
    return open_numbers(before.runs.pid, roots) == list(before.paths)


def _open_paths(pid: int, roots: Roots) -> dict[int, str] | None:
    try:
        return open_paths(pid, roots)
    except SourceError as error:
        if error.errno in CLOSED:
            return None
        raise


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


def _type(told: CommandLine, held: Descriptors | None) -> str:
    if held is None or told.type == "xen":
        return told.type
    return "kvm" if "/dev/kvm" in held.paths.values() else "qemu" if told.type == "kvm" else told.type
