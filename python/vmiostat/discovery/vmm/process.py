"""A process that runs a virtual machine, and the machine as its command line and its open files show it."""

import errno
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from vmiostat._core import Roots
from vmiostat.discovery.limits import DESCRIPTORS, DEVICES, OPEN_FILES, cut_name
from vmiostat.discovery.provider import ScanContext
from vmiostat.discovery.row_names import with_row_names
from vmiostat.discovery.running_process import running_process
from vmiostat.discovery.vmm import cloud_hypervisor as cloud_hypervisor_command_line
from vmiostat.discovery.vmm import crosvm as crosvm_command_line
from vmiostat.discovery.vmm import firecracker as firecracker_command_line
from vmiostat.discovery.vmm.command_line import CommandLine
from vmiostat.discovery.vmm.configurations import Configurations
from vmiostat.discovery.vmm.disks import disks
from vmiostat.discovery.vmm.interface_by_mac import InterfaceByMac
from vmiostat.discovery.vmm.interfaces import interfaces
from vmiostat.discovery.vmm.pci_devices import pci_disks, pci_interfaces
from vmiostat.discovery.vmm.qemu import command_line as qemu_command_line
from vmiostat.errors import SourceError
from vmiostat.model import Disk, Domain, Process
from vmiostat.system.descriptors import Descriptors, descriptors, open_numbers, open_paths
from vmiostat.system.processes import command_line
from vmiostat.system.vmm_programs import vmm

PROVIDER = "processes"

CLOSED = (errno.EACCES, errno.EPERM)


@dataclass(frozen=True, slots=True)
class VmmProcess:
    """A process that runs a virtual machine, as one scan saw it."""

    arguments: int
    """A digest of its arguments: they may be long."""
    has_vm: bool
    """Whether KVM has a virtual machine of this process, which makes it a VMM whatever its name."""
    parsed: CommandLine | None
    """The meaning of its arguments; None where it is not kept."""
    process: Process
    open_files: int | None
    """A digest of its descriptors; None where reading them is not permitted."""
    domain: Domain
    cut: bool
    """Whether something of it goes beyond the limits."""
    unread: tuple[str, ...] = ()
    """Files with devices that are not shown."""


def vmm_process(
    pid: int, has_vm: bool, before: VmmProcess | None, context: ScanContext, by_mac: InterfaceByMac
) -> VmmProcess | None:
    """The process of this pid; None if it runs no virtual machine. Raises SourceError if it cannot be read.

    `before`, from the previous scan, is kept while the process has the same descriptors open. Otherwise, and in a full
    scan, only the parsed command line is kept, if it is the same.
    """
    roots = context.roots
    if before is not None and not context.full and _is_as(before, has_vm, roots):
        return before
    arguments = command_line(pid, roots)
    same = before is not None and (before.arguments, before.has_vm) == (digest(arguments), has_vm)
    parsed = before.parsed if before is not None and same else None
    if parsed is None or (parsed.unread and context.full):
        parsed = _parse(arguments, has_vm, Configurations(pid, roots))
    if parsed is None:
        return None
    process = running_process(pid, roots)
    if process is None:
        raise SourceError(errno.ESRCH, "the process has ended", roots.shown(f"/proc/{pid}"))
    paths = _open_paths(pid, roots)
    # Firecracker's jailer gives it a root of its own, in which device nodes have any name.
    nodes_anywhere = vmm(_program(arguments)) == "firecracker"
    opened = None if paths is None else descriptors(pid, roots, paths, DESCRIPTORS, nodes_anywhere=nodes_anywhere)
    # A Xen guest's disks are found by their backends.
    its_disks = () if parsed.type == "xen" else tuple(islice(_disks(parsed, opened, process, roots), DEVICES + 1))
    open_interfaces = interfaces(parsed, opened, process, context.namespaces, by_mac)
    its_interfaces = tuple(islice(chain(open_interfaces, pci_interfaces(parsed, roots)), DEVICES + 1))
    domain = Domain(
        name=parsed.name or f"pid {pid}",
        id=parsed.id,
        uuid=parsed.uuid,
        type=_type(parsed, opened),
        provider=PROVIDER,
        process=process,
        disks=its_disks[:DEVICES],
        interfaces=its_interfaces[: max(0, DEVICES - len(its_disks))],
    )
    cut = len(its_disks) + len(its_interfaces) > DEVICES or _is_cut(parsed, opened)
    open_files = None if paths is None else digest(paths)
    domain = with_row_names(domain)
    return VmmProcess(digest(arguments), has_vm, parsed, process, open_files, domain, cut, parsed.unread)


def _disks(parsed: CommandLine, opened: Descriptors | None, process: Process, roots: Roots) -> Iterator[Disk]:
    return chain(disks(parsed, opened, process, roots), pci_disks(parsed, roots))


def digest(values: Iterable[str | int]) -> int:
    """Of two different sequences it differs. Python's hash has a random key, so that nobody can make two equal."""
    return hash(tuple(values))


def _is_cut(parsed: CommandLine, opened: Descriptors | None) -> bool:
    if len(parsed.disks) > DEVICES or (opened is not None and (not opened.complete or len(opened.paths) >= OPEN_FILES)):
        return True
    names = [parsed.name or "", *(disk.target for disk in parsed.disks), *(netdev.id for netdev in parsed.netdevs)]
    return any(cut_name(name) != name for name in names)


def _is_as(before: VmmProcess, has_vm: bool, roots: Roots) -> bool:
    """A plugged device is one more open file. Left to the next full scan: a device that got the descriptor of one
    unplugged at the same time, another program (execve), another process of the same pid."""
    if before.open_files is None or before.has_vm != has_vm:
        return False
    return digest(open_numbers(before.process.pid, roots, OPEN_FILES)) == before.open_files


def _open_paths(pid: int, roots: Roots) -> dict[int, str] | None:
    try:
        return open_paths(pid, roots, OPEN_FILES)
    except SourceError as error:
        if error.errno in CLOSED:
            return None
        raise


def _parse(arguments: Sequence[str], has_vm: bool, files: Configurations) -> CommandLine | None:
    """The machine that the command line describes; None if it is not a VMM's."""
    if not arguments:
        return None
    parse = _COMMAND_LINES.get(vmm(_program(arguments)))
    if parse is not None:
        return parse(arguments, files)
    return CommandLine(type="kvm") if has_vm else None


def _program(arguments: Sequence[str]) -> str:
    return arguments[0].rpartition("/")[2]


_COMMAND_LINES: Mapping[str | None, Callable[[Sequence[str], Configurations], CommandLine | None]] = {
    "qemu": qemu_command_line.command_line,
    "cloud-hypervisor": cloud_hypervisor_command_line.command_line,
    "firecracker": firecracker_command_line.command_line,
    "crosvm": crosvm_command_line.command_line,
}


def _type(parsed: CommandLine, opened: Descriptors | None) -> str:
    if opened is None or parsed.type == "xen":
        return parsed.type
    return "kvm" if "/dev/kvm" in opened.paths.values() else "qemu" if parsed.type == "kvm" else parsed.type
