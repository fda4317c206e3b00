"""Virtual machines found by the processes that run them, however started: by Proxmox, Incus, Ganeti, Kata, a script.

A process is recognized as a VMM by its program, from its command line, which anyone may read: qemu-system-*, qemu-kvm,
kvm, qemu; cloud-hypervisor, firecracker, crosvm. A VMM of another name is found by the kernel's list of KVM's virtual
machines, in /sys/kernel/debug/kvm (root). Having a tap open is not enough: VPNs have some, slirp's and passt's helpers
do, and libvirt does while it passes them on.

Devices are found by the open descriptors, so as they are now: interfaces by the fdinfo of /dev/net/tun or the number of
/dev/tapN, disks by the numbers of block devices. That takes root or CAP_SYS_PTRACE. The command line, which is as old
as the process, adds their names; without the right to read descriptors it is all there is, and a tap that libvirt made
is then recognized by its MAC address. Disk images in files are known from the command line only.
"""

import errno
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from vmiostat._core import Roots
from vmiostat.discovery.limits import DESCRIPTORS, DEVICES, NAME_BYTES, OPEN_FILES, LimitReached
from vmiostat.discovery.provider import Found, ScanContext
from vmiostat.discovery.running_process import running_process
from vmiostat.discovery.vmm.forks import Forks
from vmiostat.discovery.vmm.interface_by_mac import InterfaceByMac
from vmiostat.discovery.vmm.machine_budget import MachineBudget, named
from vmiostat.discovery.vmm.process import CLOSED, PROVIDER, VmmProcess, vmm_process
from vmiostat.errors import Error, SourceError, TopologyError
from vmiostat.model import Domain
from vmiostat.system.probe.pool import PROBE
from vmiostat.system.processes import sees_every_process, start_time, user
from vmiostat.system.vmm_executable import LIST, Verdict

_KVM = "/sys/kernel/debug/kvm"
"""A folder PID-DESCRIPTOR for each virtual machine (Documentation/virt/kvm, virt/kvm/kvm_main.c)."""
_VM_OF_KVM = re.compile(r"([1-9][0-9]{0,8})-[0-9]+", re.ASCII)
_MAX_NAMED = 5
"""Machines that one problem names."""
_SHOWN = 16
"""Unverified processes that are shown: anyone can start more."""
_ENDED = (errno.ENOENT, errno.ESRCH)


class VmmProcesses:
    """Finds the virtual machines whose processes can be read, except where the domain is already known."""

    name = PROVIDER

    def __init__(self, *, unverified: bool = True) -> None:
        self._shown = _SHOWN if unverified else 0
        """Unverified processes that are shown."""
        self._vmms: dict[int, VmmProcess] = {}
        self._forks = Forks()
        self._others: set[int] = set()
        """Processes that are no VMM. If one becomes one, by execve(), the next full scan finds it."""

    def scan(self, context: ScanContext) -> Found:
        """Virtual machines by pid."""
        roots = context.roots
        if context.full:
            self._others = set()
            PROBE.forget(lambda pid, started: start_time(pid, roots) != started)
        self._others &= context.pids
        self._forks.keep(context.pids)
        by_mac = InterfaceByMac(context.namespaces, roots)
        of_kvm = _pids_of_kvm(roots)
        found: dict[int, VmmProcess] = {}
        unverified: list[int] = []
        errors: dict[int, SourceError] = {}
        hidden = False
        budget = MachineBudget(roots)
        for pid in sorted(context.pids - context.known_pids):
            if (pid in self._others and pid not in of_kvm) or self._forks.knows(pid, roots):
                continue
            owner = user(pid, roots)
            if not budget.has_time(owner):
                self._carry_over(pid, found, roots)
                continue
            try:
                with budget.time_of(owner):
                    vmm = self._examined(pid, owner, pid in of_kvm, context, by_mac, budget)
            except SourceError as error:
                hidden = hidden or error.errno in CLOSED
                if error.errno not in (*CLOSED, *_ENDED):
                    errors[pid] = error
                    self._carry_over(pid, found, roots)
                continue
            if vmm is Verdict.UNVERIFIED:
                unverified.append(pid)
            elif vmm is Verdict.OTHER:
                self._others.add(pid)
            elif isinstance(vmm, VmmProcess):
                found[pid] = budget.add(owner, vmm)
        self._vmms = found
        machines = tuple(vmm.domain for vmm in found.values())
        strangers = tuple(_unverified(unverified[: self._shown], roots))
        closed = [vmm.domain for vmm in found.values() if vmm.open_files is None]
        problems = [
            *_closed(closed, roots),
            *_unseen(context.pids, hidden, bool(machines), roots),
            *_strangers(unverified, self._shown, roots),
            *_cut([vmm.domain for vmm in found.values() if vmm.cut], roots),
            *_unread({vmm.domain.name: vmm.unread for vmm in found.values() if vmm.unread}, roots),
            *budget.problems(),
            *_errors(errors, roots),
        ]
        return Found(machines + strangers, tuple(problems), complete=not errors)

    def _examined(
        self,
        pid: int,
        owner: int | None,
        has_vm: bool,
        context: ScanContext,
        by_mac: InterfaceByMac,
        budget: MachineBudget,
    ) -> VmmProcess | Verdict | None:
        """The virtual machine of the process, the verdict on another one, or None for what is left out."""
        verdict = context.executables.verdict(pid)
        if verdict is Verdict.OTHER and has_vm:
            return Verdict.UNVERIFIED
        if verdict in (Verdict.UNVERIFIED, Verdict.OTHER):
            return verdict
        if verdict is Verdict.VMM and not budget.has_room(owner):
            return None
        before = self._vmms.get(pid)
        vmm = vmm_process(pid, has_vm, before, context, by_mac)
        if vmm is None:
            return Verdict.OTHER
        return None if vmm is not before and self._is_fork(vmm, context) else vmm

    def _carry_over(self, pid: int, found: dict[int, VmmProcess], roots: Roots) -> None:
        """What was not examined, or could not be, stands."""
        before = self._vmms.get(pid)
        if before is not None and running_process(pid, roots) == before.process:
            found[pid] = before

    def _is_fork(self, vmm: VmmProcess, context: ScanContext) -> bool:
        def may_be_vmm(pid: int) -> bool:
            return pid in context.known_pids or context.executables.verdict(pid) in (Verdict.VMM, Verdict.HIDDEN)

        return self._forks.has(vmm.process, vmm.arguments, may_be_vmm, context.roots)


def _unverified(pids: Iterable[int], roots: Roots) -> Iterator[Domain]:
    """Under names that say so, and with nothing of what they say of themselves."""
    for pid in pids:
        if runs := running_process(pid, roots):
            yield Domain(f"unverified pid {pid}", provider=PROVIDER, process=runs, verified=False)


def _errors(errors: Mapping[int, SourceError], roots: Roots) -> Iterator[Error]:
    """Those of a user other than root are one problem: its processes may be many, and others at each scan."""
    grouped: defaultdict[tuple[int | None, str], list[int]] = defaultdict(list)
    for pid, error in errors.items():
        owner = user(pid, roots)
        if owner == 0:
            yield error
        else:
            grouped[owner, error.strerror or str(error)].append(pid)
    for (owner, why), pids in grouped.items():
        some = ", ".join(map(str, pids[:_MAX_NAMED])) + (", ..." if len(pids) > _MAX_NAMED else "")
        what = f"{len(pids)} processes of {named(owner)} (pid {some}) cannot be examined: {why}"
        yield LimitReached(what, roots.shown("/proc"), f"{owner} {why}")


def _strangers(pids: Sequence[int], shown: int, roots: Roots) -> Iterator[Error]:
    if pids:
        some = ", ".join(map(str, pids[:_MAX_NAMED])) + (", ..." if len(pids) > _MAX_NAMED else "")
        yield LimitReached(
            f"{len(pids)} processes (pid {some}) are called like a VMM or have a KVM machine, but run no VMM that is "
            f"installed on this host; {min(len(pids), shown)} of them are shown as `unverified pid ...`, without "
            f"devices (paths of further VMMs can be listed in {LIST})",
            roots.shown("/proc"),
            "unverified",
        )


def _cut(cut: Sequence[Domain], roots: Roots) -> Iterator[Error]:
    if cut:
        some = ", ".join(repr(domain.name) for domain in cut[:_MAX_NAMED]) + (", ..." if len(cut) > _MAX_NAMED else "")
        yield LimitReached(
            f"{len(cut)} virtual machines ({some}) are shown only in part: up to {DEVICES} devices of each, "
            f"{DESCRIPTORS} descriptors of devices, {OPEN_FILES} of any kind, {NAME_BYTES} bytes of a name",
            roots.shown("/proc"),
            "parts",
        )


def _unread(unread: Mapping[str, Sequence[str]], roots: Roots) -> Iterator[Error]:
    """By the name of the machine."""
    if unread:
        some = "; ".join(f"{name!r}: {files[0]}" for name, files in islice(unread.items(), _MAX_NAMED))
        more = "; ..." if len(unread) > _MAX_NAMED else ""
        yield LimitReached(
            f"devices of {len(unread)} virtual machines are not shown, since files that describe them are not read: "
            f"{some}{more}",
            roots.shown("/proc"),
            "configurations",
        )


def _pids_of_kvm(roots: Roots) -> frozenset[int]:
    names = roots.list_or_empty(_KVM)  # empty without debugfs, or for anyone but root
    return frozenset(int(match[1]) for name in names if (match := _VM_OF_KVM.fullmatch(name)))


def _closed(closed: Sequence[Domain], roots: Roots) -> Iterator[Error]:
    if not closed:
        return
    names = ", ".join(repr(domain.name) for domain in closed[:_MAX_NAMED])
    if len(closed) > _MAX_NAMED:
        names += ", ..."
    yield TopologyError(
        f"the descriptors of {len(closed)} virtual machines ({names}) cannot be read, so their devices are those of "
        "their command lines; run as root or with CAP_SYS_PTRACE",
        roots.shown("/proc"),
    )


def _unseen(pids: Collection[int], hidden: bool, any_found: bool, roots: Roots) -> Iterator[Error]:
    # A captured /proc need not hold any process; a real one holds our own at least.
    if roots.captured or not pids or sees_every_process(roots):
        return
    if hidden or 1 not in pids:
        yield TopologyError(
            "other users' processes are hidden (hidepid), so virtual machines are not found by their processes; run as "
            "root or in the group of the mount option gid=",
            roots.shown("/proc"),
        )
    elif not any_found:
        yield TopologyError(
            "it shows only this container's processes, so virtual machines outside are not found by their processes; "
            "run in the host's PID namespace (--pid=host) or give the host's /proc (--proc)",
            roots.shown("/proc"),
        )
