"""Where a device's counters are: what resolving a device ends with, and what a plan is made of."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class BlockDevice:
    """A block device of this host, by its number: /proc/diskstats, or its own /sys/dev/block/MAJOR:MINOR/stat."""

    major: int
    minor: int

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
class NetDevice:
    """A network interface of this host, by its name in its network namespace."""

    name: str
    namespace: str | None = None
    """/run/netns/NAME or /proc/PID/ns/net; None is the namespace that the machine's /proc/net/dev shows."""

    def __str__(self) -> str:
        return f"interface {self.name}" if self.namespace is None else f"interface {self.name} in {self.namespace}"


BlockCounters = BlockDevice | XenVbd
InterfaceCounters = NetDevice

InterfaceSource = Literal["auto", "proc", "sysfs", "netlink"]
"""How interfaces are read. `auto` is the cheapest route that nobody who holds RTNL, the kernel's lock for network
configuration, can hold up; `netlink` is the fastest one where many are watched, and can be held up.
"""
