"""Where a device's counters are: what resolving a device ends with, and what a plan is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from vmiostat._core import LatestStats


@dataclass(frozen=True, slots=True)
class BlockDevice:
    """A block device of this host, by its number: /proc/diskstats, or its own /sys/dev/block/MAJOR:MINOR/stat."""

    major: int
    minor: int
    diskseq: int | None = None
    """The kernel's count of disks when it came (since Linux 5.15): another device of the same number has another."""

    def __str__(self) -> str:
        return f"block device {self.major}:{self.minor}"


@dataclass(frozen=True, slots=True)
class XenVbd:
    """A Xen backend's statistics folder: xen-backend/KIND-DOMID-DEVID/statistics."""

    kind: Literal["vbd", "tap"]
    domid: int
    devid: int

    def __str__(self) -> str:
        return f"{self.kind}-{self.domid}-{self.devid}"


@dataclass(frozen=True, slots=True)
class Tapdisk:
    """A disk that tapdisk3 serves, by its page of statistics: /dev/shm/td3-PID/vbd-DOMID-DEVID."""

    pid: int
    """The tapdisk process."""
    domid: int
    devid: int

    def __str__(self) -> str:
        return f"td3-{self.pid}/vbd-{self.domid}-{self.devid}"


@dataclass(frozen=True, slots=True)
class CgroupIo:
    """A control group's I/O: what all its processes read from and wrote to block devices."""

    cgroup: str
    """Its folder: /sys/fs/cgroup/machine.slice/..."""
    version: Literal[1, 2] = 2
    """2: io.stat. 1: blkio.throttle.io_service_bytes and io_serviced."""

    def __str__(self) -> str:
        return f"cgroup {self.cgroup}"


@dataclass(frozen=True, slots=True)
class ProcessIo:
    """A process's I/O, /proc/PID/io: the bytes that it read from and wrote to block devices."""

    pid: int

    def __str__(self) -> str:
        return f"process {self.pid}"


@dataclass(frozen=True, slots=True)
class VmmReported:
    """The counters that only the VMM has, as a client of vmiostat.qemu_stats last got them."""

    latest: LatestStats

    def __str__(self) -> str:
        return f"the answers of {self.latest.client}"


@dataclass(frozen=True, slots=True)
class NetDevice:
    """A network interface of this host, by its name in its network namespace."""

    name: str
    namespace: str | None = None
    """/run/netns/NAME or /proc/PID/ns/net; None is the namespace that the machine's /proc/net/dev shows."""
    index: int | None = None
    """Its number when it was looked for: another interface under its name has another."""

    def __str__(self) -> str:
        return f"interface {self.name}" if self.namespace is None else f"interface {self.name} in {self.namespace}"


@dataclass(frozen=True, slots=True)
class VirtualFunction:
    """A virtual function of a network card, as the card's physical function counts it (IFLA_VF_STATS)."""

    device: str
    """The physical function's interface."""
    number: int
    namespace: str | None = None
    """Of the physical function's interface, as in NetDevice."""

    def __str__(self) -> str:
        return f"virtual function {self.number} of {self.device}"


BlockCounterSource = BlockDevice | XenVbd | Tapdisk | CgroupIo | ProcessIo | VmmReported
InterfaceCounterSource = NetDevice | VirtualFunction

InterfaceSource = Literal["auto", "proc", "sysfs", "netlink"]
"""How interfaces are read. `auto` is the cheapest route that nobody who holds RTNL, the kernel's lock for network
configuration, can hold up; `netlink` is the fastest one where many are watched, and can be held up.
"""
