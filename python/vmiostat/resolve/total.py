"""What counts all that a domain reads and writes: its control group, else its process.

So the kernel has a number even for a domain whose disks only its VMM counts (files, qcow2). cgroup v2 counts all disk
I/O, except for what a kernel thread writes back for a device below; v1 only what bypasses the page cache, and often
less. So the process takes precedence over v1, and over v2 if there is such a device.
"""

import errno
import os

from vmiostat._core import Roots
from vmiostat.counter_sources import BlockCounterSource, BlockDevice, CgroupIo, Denied, Missing, ProcessIo, because
from vmiostat.errors import SourceError
from vmiostat.model import TOTAL, Disk, Domain, Process
from vmiostat.resolve.counting_layer import is_written_by_a_thread
from vmiostat.resolve.domain_cgroup import DomainCgroups, domain_cgroups
from vmiostat.system.processes import may_trace, start_time

_CONTAINERS = ("lxc", "openvz", "vz")
_FILLED = ("blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes")

_V2 = (
    "what the domain's control group reads from and writes to the host's disks: data in the page cache counts only "
    "when it is read or flushed, network storage (rbd, nbd, nfs) never"
)
_V1 = (
    "what the domain's control group reads from and writes to the host's disks, bypassing the page cache: cgroup v1 "
    "does not count cached writes, since Linux 6.10 counts only disks with a limit, and never network storage"
)
_PROCESS = (
    "the bytes that process {pid} reads from disks and writes, through the host's page cache or bypassing it: requests "
    "are not counted, nor is storage that it reaches through a socket (rbd, nbd, vhost-user)"
)
_MISSED = "its control group does not count the writes of device {}:{}, which a kernel thread writes back"
_NO_GROUP = (
    "no control group of its own counts its I/O (it has no io controller in cgroup v2, or cgroup v1's files are empty)"
)


def resolve_total(domain: Domain, roots: Roots) -> Disk | None:
    """The row of all of the domain's I/O, with its counter source or the reason; None without a process that does it.

    The domain's disks have their counter sources already.

    A Xen guest has none: blkback's kernel threads do its I/O, which is accounted to no process.
    """
    if domain.total is not None or domain.process is None or domain.type == "xen":
        return domain.total
    devices = [disk.counter_source for disk in domain.disks if isinstance(disk.counter_source, BlockDevice)]
    missed = next((one for one in devices if is_written_by_a_thread(one, roots)), None)
    counters, reason = _counters(domain, domain.process, missed, roots)
    return Disk(TOTAL, type="domain", device=TOTAL, counter_source=counters, reason=reason)


def _counters(
    domain: Domain, process: Process, missed: BlockDevice | None, roots: Roots
) -> tuple[BlockCounterSource | None, str]:
    started = start_time(process.pid, roots) if process.started is None else process.started
    found = _counters_of(domain, Process(process.pid, started), missed, roots)
    # Now that all has been read by the pid: was it this process until now?
    if started is not None and not _may_still_run(process.pid, started, roots):
        return None, Missing(f"process {process.pid} has ended while this was looked up; another one may have its pid")
    return found


def _may_still_run(pid: int, started: int, roots: Roots) -> bool:
    """Whether nothing shows that it has ended; an error that is not about this process, as EMFILE, does not."""
    try:
        roots.read(f"/proc/{pid}/stat")
    except SourceError as error:
        return error.errno not in (None, errno.ENOENT, errno.ESRCH)
    return start_time(pid, roots) in (None, started)


def _counters_of(
    domain: Domain, process: Process, missed: BlockDevice | None, roots: Roots
) -> tuple[BlockCounterSource | None, str]:
    try:
        groups = domain_cgroups(process, roots)
    except SourceError:  # the process has ended, or the kernel lacks control groups
        groups = DomainCgroups()
    if groups.v2 is not None and roots.exists(f"{groups.v2}/io.stat"):
        if missed is None:
            return CgroupIo(groups.v2), _V2
        why = _MISSED.format(missed.major, missed.minor)
        if domain.type not in _CONTAINERS and _why_unreadable(process, roots) is None:
            return ProcessIo(process.pid, process.started), f"{_PROCESS.format(pid=process.pid)}; {why}"
        return CgroupIo(groups.v2), f"{_V2}; {why}"
    reason = _NO_GROUP
    if domain.type not in _CONTAINERS:  # a container has many processes
        unreadable = _why_unreadable(process, roots)
        if unreadable is None:
            return ProcessIo(process.pid, process.started), _PROCESS.format(pid=process.pid)
        reason = unreadable
    if groups.v1 is not None and _is_filled(groups.v1, roots):
        return CgroupIo(groups.v1, 1), _V1
    return None, reason


def _is_filled(group: str, roots: Roots) -> bool:
    """Whether a device has a line: often the files contain only `Total 0`, whatever was read.

    Since Linux 6.10 the policy that fills them is off until a limit is set for a device.
    """
    for name in _FILLED:
        lines = roots.read_or_none(f"{group}/{name}")
        if lines is not None:
            return b":" in lines
    return False


def _why_unreadable(process: Process, roots: Roots) -> str | None:
    """Why the process's I/O cannot be read, if so. On a live machine it is not read: that may hang, see may_trace."""
    path = f"/proc/{process.pid}/io"
    file = roots.shown(path)
    if roots.captured:
        try:
            roots.read(path)
        except SourceError as error:
            if error.errno != errno.ENOENT:
                return because(error, f"{file} cannot be read: {error.strerror}")
    if not roots.exists(f"/proc/{process.pid}"):
        return Missing(f"{file} cannot be read: {os.strerror(errno.ENOENT)}")
    if not roots.exists(path):
        return f"{_NO_GROUP}, and this kernel does not count a process's I/O: there is no {file}"
    if roots.captured or may_trace(process.pid, roots):
        return None
    return Denied(f"{_NO_GROUP}, and reading {file} takes root or CAP_SYS_PTRACE")
