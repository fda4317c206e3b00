"""Where a device's counters are: the result of resolving a device, and what a plan's rows are made of."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmiostat._core import LatestStats


@dataclass(frozen=True, slots=True)
class BlockDevice:
    """A block device of this host: /proc/diskstats, or its own /sys/dev/block/MAJOR:MINOR/stat.

    Attributes
    ----------
    major, minor : int
        Its device number.
    diskseq : int or None
        The kernel's sequence number of the disk (since Linux 5.15): a later device of the same number has another.
    """

    major: int
    minor: int
    diskseq: int | None = None

    def __str__(self) -> str:
        return f"block device {self.major}:{self.minor}"


@dataclass(frozen=True, slots=True)
class XenVbd:
    """A Xen backend's statistics folder: xen-backend/KIND-DOMID-DEVID/statistics.

    Attributes
    ----------
    kind : {"vbd", "tap"}
        The kernel's blkback, or blktap 1.
    domid : int
        The guest's domain id.
    devid : int
        The guest's number of the device.
    """

    kind: Literal["vbd", "tap"]
    domid: int
    devid: int

    def __str__(self) -> str:
        return f"{self.kind}-{self.domid}-{self.devid}"


@dataclass(frozen=True, slots=True)
class Tapdisk:
    """A disk that tapdisk3 serves, by its page of statistics: /dev/shm/td3-PID/vbd-DOMID-DEVID.

    Attributes
    ----------
    pid : int
        The tapdisk process.
    domid : int
        The guest's domain id.
    devid : int
        The guest's number of the device.
    """

    pid: int
    domid: int
    devid: int

    def __str__(self) -> str:
        return f"td3-{self.pid}/vbd-{self.domid}-{self.devid}"


@dataclass(frozen=True, slots=True)
class CgroupIo:
    """The I/O of a control group: what all its processes read from and wrote to block devices.

    Attributes
    ----------
    cgroup : str
        Its folder: /sys/fs/cgroup/machine.slice/...
    version : {1, 2}
        2: io.stat. 1: blkio.throttle.io_service_bytes and io_serviced.
    """

    cgroup: str
    version: Literal[1, 2] = 2

    def __str__(self) -> str:
        return f"cgroup {self.cgroup}"


@dataclass(frozen=True, slots=True)
class ProcessIo:
    """The I/O of a process (/proc/PID/io): the bytes that it read from and wrote to block devices.

    Attributes
    ----------
    pid : int
        The process.
    started : int or None
        When it was started, in clock ticks since boot (/proc/PID/stat, field 22): a later process of the same pid has
        another. None is any process that has the pid.
    """

    pid: int
    started: int | None = None

    def __str__(self) -> str:
        return f"process {self.pid}"


@dataclass(frozen=True, slots=True)
class VmmReported:
    """The counters that only the VMM has, as a client of vmiostat.qemu_stats last got them.

    Attributes
    ----------
    latest : LatestStats
        Where the client writes them. It is of this process: pickled, only the client's name goes along.
    """

    latest: LatestStats

    def __str__(self) -> str:
        return f"the answers of {self.latest.client}"

    def __reduce__(self) -> tuple[Callable[[str], VmmReported], tuple[str]]:
        return _reported_elsewhere, (self.latest.client,)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


def _reported_elsewhere(client: str) -> VmmReported:
    from vmiostat._core import LatestStats

    return VmmReported(LatestStats(client))


@dataclass(frozen=True, slots=True)
class NetDevice:
    """A network interface of this host, by its name in its network namespace.

    Attributes
    ----------
    name : str
        Its name.
    namespace : str or None
        /run/netns/NAME or /proc/PID/ns/net; None is the namespace that the machine's /proc/net/dev shows.
    index : int or None
        Its ifindex when it was found: a later interface of the same name has another.
    """

    name: str
    namespace: str | None = None
    index: int | None = None

    def __str__(self) -> str:
        return f"interface {self.name}" if self.namespace is None else f"interface {self.name} in {self.namespace}"


@dataclass(frozen=True, slots=True)
class VirtualFunction:
    """A virtual function of a network card, as the card's physical function counts it (IFLA_VF_STATS).

    Attributes
    ----------
    device : str
        The interface of the physical function.
    number : int
        The virtual function's number on the card.
    namespace : str or None
        The physical function's, as in NetDevice.
    """

    device: str
    number: int
    namespace: str | None = None

    def __str__(self) -> str:
        return f"virtual function {self.number} of {self.device}"


BlockCounterSource = BlockDevice | XenVbd | Tapdisk | CgroupIo | ProcessIo | VmmReported
"""Where a disk's counters can be."""
InterfaceCounterSource = NetDevice | VirtualFunction
"""Where an interface's counters can be."""

WhyNot = Literal["unsupported", "denied", "missing", "unreadable"]
"""The state of a row without a counter source: see STATE_HELP."""


class Reason(str):
    """Why a device has no counter source. One that is a plain str is `unsupported`: nothing in the kernel counts it."""

    __slots__ = ()
    why_not: WhyNot = "unsupported"


class Denied(Reason):
    """Finding the source takes a privilege that this process lacks."""

    __slots__ = ()
    why_not = "denied"


class Missing(Reason):
    """What would count the device is not there: a path, a process, a backend or a driver."""

    __slots__ = ()
    why_not = "missing"


class Unreadable(Reason):
    """Where the source is could not be read."""

    __slots__ = ()
    why_not = "unreadable"


def because(error: OSError, reason: str) -> Reason:
    """The reason, of the kind that the error's number says."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return Denied(reason)
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ENXIO, errno.ESRCH):
        return Missing(reason)
    return Unreadable(reason)


def why_not(reason: str) -> WhyNot:
    """The state of a row without counters for this reason."""
    return reason.why_not if isinstance(reason, Reason) else "unsupported"


InterfaceSource = Literal["auto", "proc", "sysfs", "netlink"]
"""How interfaces are read. `auto` is the cheapest route that RTNL, the kernel's lock for network configuration, cannot
delay; `netlink` is the fastest where many are watched, and waits for that lock.
"""
