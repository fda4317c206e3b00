"""Where all that a domain reads and writes is counted: by its control group, else by its process.

So a domain whose disks only its VMM knows (files, qcow2) still has a number of its own, and the kernel's. Version 2 of
control groups counts everything; version 1 what is past the page cache and often less, so it comes after the process.
"""

import errno

from vmiostat._core import Roots
from vmiostat.counter_sources import BlockCounterSource, CgroupIo, ProcessIo
from vmiostat.errors import SourceError
from vmiostat.model import Disk, Domain, Process
from vmiostat.resolve.domain_cgroup import DomainCgroups, domain_cgroups

TARGET = "total"

_CONTAINERS = ("lxc", "openvz", "vz")
_FILLED = ("blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes")
_CLOSED = (errno.EACCES, errno.EPERM)

_V2 = (
    "what the domain's control group read from and wrote to the host's disks: what the host's page cache holds is not "
    "counted until it is read or flushed, and network storage (rbd, nbd, nfs) never is"
)
_V1 = (
    "what the domain's control group asked of the host's disks past the page cache: cgroup v1 counts a write through "
    "the cache to no group, since Linux 6.10 only disks for which a limit is set, and network storage never"
)
_PROCESS = (
    "the bytes that process {pid} read from disks and wrote, through the host's page cache or past it: requests are "
    "not counted, nor is what it asks of others over a socket (rbd, nbd, vhost-user)"
)
_NO_GROUP = (
    "no control group of its own counts its I/O (cgroup v2's io controller is not on for it, or cgroup v1's files "
    "are empty)"
)


def resolve_total(domain: Domain, roots: Roots) -> Disk | None:
    """The domain's row of all its I/O, with its counters or the reason why it has none; None where no process does it.

    Nor is there one of a Xen guest: blkback, a thread of the kernel's, reads and writes for it in nobody's name.
    """
    if domain.total is not None or domain.process is None or domain.type == "xen":
        return domain.total
    counters, reason = _counters(domain, domain.process, roots)
    return Disk(TARGET, type="domain", device=TARGET, counter_source=counters, reason=reason)


def _counters(domain: Domain, process: Process, roots: Roots) -> tuple[BlockCounterSource | None, str]:
    try:
        groups = domain_cgroups(process, roots)
    except SourceError:  # the process has ended, or the kernel has no control groups
        groups = DomainCgroups()
    if groups.v2 is not None and roots.exists(f"{groups.v2}/io.stat"):
        return CgroupIo(groups.v2), _V2
    reason = _NO_GROUP
    if domain.type not in _CONTAINERS:  # a container is many processes
        try:
            roots.read(f"/proc/{process.pid}/io")
            return ProcessIo(process.pid), _PROCESS.format(pid=process.pid)
        except SourceError as error:
            reason = _unreadable(error, process, roots)
    if groups.v1 is not None and _is_filled(groups.v1, roots):
        return CgroupIo(groups.v1, 1), _V1
    return None, reason


def _is_filled(group: str, roots: Roots) -> bool:
    """Whether a device has a line: the files are often there and hold nothing but `Total 0`, whatever was read.

    Since Linux 6.10 the policy that fills them is off until a limit is set for the device.
    """
    for name in _FILLED:
        lines = roots.read_or_none(f"{group}/{name}")
        if lines is not None:
            return b":" in lines
    return False


def _unreadable(error: SourceError, process: Process, roots: Roots) -> str:
    file = roots.shown(f"/proc/{process.pid}/io")
    if error.errno in _CLOSED:
        return f"{_NO_GROUP}, and it needs root or CAP_SYS_PTRACE to read {file}"
    if error.errno == errno.ENOENT and roots.exists(f"/proc/{process.pid}"):
        return f"{_NO_GROUP}, and this kernel does not count a process's: there is no {file}"
    return f"{file} cannot be read: {error.strerror}"
