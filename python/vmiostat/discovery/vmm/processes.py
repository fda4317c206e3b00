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
from vmiostat.discovery.provider import Found
from vmiostat.discovery.scan_cache import ScanCache
from vmiostat.discovery.vmm.interface_by_mac import InterfaceByMac
from vmiostat.discovery.vmm.process import CLOSED, VmmProcess, vmm_process
from vmiostat.discovery.vmm.process import PROVIDER as PROVIDER
from vmiostat.errors import Error, SourceError, TopologyError
from vmiostat.model import Domain
from vmiostat.system.processes import sees_every_process

_KVM = "/sys/kernel/debug/kvm"
"""A folder PID-DESCRIPTOR for each virtual machine (Documentation/virt/kvm, virt/kvm/kvm_main.c)."""
_VM_OF_KVM = re.compile(r"([1-9][0-9]{0,8})-[0-9]+", re.ASCII)
_NAMED = 5
"""Machines that a warning names."""


def domains(roots: Roots, earlier: ScanCache | None = None, besides: Collection[int] = ()) -> Found:
    """The virtual machines whose processes can be seen, by pid; `besides` are pids of those known already."""
    earlier = earlier or ScanCache(roots)
    by_mac = InterfaceByMac(earlier.namespaces, roots)
    of_kvm = _pids_of_kvm(roots)
    found: dict[int, VmmProcess] = {}
    hidden = False
    for pid in sorted(earlier.pids - set(besides)):
        if pid in earlier.others and pid not in of_kvm:
            continue
        try:
            seen = vmm_process(pid, pid in of_kvm, earlier, by_mac, roots)
        except SourceError as error:  # its command line may not be read, or it has ended since
            hidden = hidden or error.errno in CLOSED
            continue
        if seen is None:
            earlier.others.add(pid)
        else:
            found[pid] = seen
    earlier.vmms = found
    machines = tuple(vmm.domain for vmm in found.values())
    closed = [vmm.domain for vmm in found.values() if vmm.paths is None]
    problems = [*_closed(closed, roots), *_unseen(earlier.pids, hidden, bool(machines), roots)]
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
