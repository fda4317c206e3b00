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

import re
from collections.abc import Collection, Iterator, Sequence

from vmiostat._core import Roots
from vmiostat.discovery.provider import Found, ScanContext
from vmiostat.discovery.vmm.interface_by_mac import InterfaceByMac
from vmiostat.discovery.vmm.process import CLOSED, PROVIDER, VmmProcess, vmm_process
from vmiostat.errors import Error, SourceError, TopologyError
from vmiostat.model import Domain
from vmiostat.system.processes import sees_every_process

_KVM = "/sys/kernel/debug/kvm"
"""A folder PID-DESCRIPTOR for each virtual machine (Documentation/virt/kvm, virt/kvm/kvm_main.c)."""
_VM_OF_KVM = re.compile(r"([1-9][0-9]{0,8})-[0-9]+", re.ASCII)
_NAMED = 5
"""Machines that a warning names."""


class VmmProcesses:
    """Finds the virtual machines whose processes can be seen, but for those whose domain is already known."""

    name = PROVIDER

    def __init__(self) -> None:
        self._vmms: dict[int, VmmProcess] = {}
        self._others: set[int] = set()
        """Processes that run no virtual machine. By execve() one may become a VMM, which a full scan finds."""

    def scan(self, context: ScanContext) -> Found:
        """Virtual machines by pid."""
        if context.full:
            self._others = set()
        by_mac = InterfaceByMac(context.namespaces, context.roots)
        of_kvm = _pids_of_kvm(context.roots)
        found: dict[int, VmmProcess] = {}
        hidden = False
        for pid in sorted(context.pids - context.known_pids):
            if pid in self._others and pid not in of_kvm:
                continue
            try:
                vmm = vmm_process(pid, pid in of_kvm, self._vmms.get(pid), context, by_mac)
            except SourceError as error:  # its command line may not be read, or it has ended since
                hidden = hidden or error.errno in CLOSED
                continue
            if vmm is None:
                self._others.add(pid)
            else:
                found[pid] = vmm
        self._vmms = found
        machines = tuple(vmm.domain for vmm in found.values())
        closed = [vmm.domain for vmm in found.values() if vmm.paths is None]
        problems = [*_closed(closed, context.roots), *_unseen(context.pids, hidden, bool(machines), context.roots)]
        return Found(machines, tuple(problems))


def _pids_of_kvm(roots: Roots) -> frozenset[int]:
    names = roots.list_or_empty(_KVM)  # empty without debugfs, or for anyone but root
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
