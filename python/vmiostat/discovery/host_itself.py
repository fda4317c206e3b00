"""The machine itself as the domain `host`: its network interfaces, physical and virtual, and its whole disks.

Reads /proc/net/dev, /sys/class/net and /sys/block, as anyone may. What the host receives is rx, unswapped.
"""

from collections.abc import Iterator

from vmiostat._core import Roots
from vmiostat.counter_sources import BlockDevice
from vmiostat.discovery.provider import Found, ScanContext
from vmiostat.errors import Error, SourceError
from vmiostat.model import Disk, Domain, Interface


class HostItself:
    """Finds the domain `host` on every machine."""

    name = "host"

    def scan(self, context: ScanContext) -> Found:
        """The domain `host`. An unreadable /proc/net/dev or /sys/block is a problem."""
        problems: list[Error] = []
        nics: tuple[Interface, ...] = ()
        disks: tuple[Disk, ...] = ()
        try:
            names = context.namespaces.interfaces(context.namespaces.host())
            nics = tuple(_interface(name, context.roots) for name in names)
        except SourceError as error:
            problems.append(error)
        try:
            disks = tuple(_disks(context.roots))
        except SourceError as error:
            problems.append(error)
        host = Domain(name="host", type="host", provider=self.name, disks=disks, interfaces=nics)
        return Found((host,), tuple(problems))


def _interface(name: str, roots: Roots) -> Interface:
    return Interface(
        target=name,
        type="physical" if roots.exists(f"/sys/class/net/{name}/device") else "virtual",
        swap_rx_tx=False,
        rx_tx_view="the host's own interface: its rx is rx",
    )


def _disks(roots: Roots) -> Iterator[Disk]:
    """Whole disks only: a disk's counters include its partitions'. Unused loop, ram and zram devices have no size."""
    folder = "/sys/block" if roots.exists("/sys/block") else "/sys/class/block"
    for name in roots.list(folder):
        path = f"{folder}/{name}"
        if roots.exists(f"{path}/partition"):
            continue
        try:
            # A path of a multipath NVMe device has no `dev`: the device itself counts all of them.
            major, minor = roots.read(f"{path}/dev").split(b":")
            if int(roots.read(f"{path}/size")) == 0:
                continue
            counters = BlockDevice(int(major), int(minor))
        except (OSError, ValueError):
            continue
        device = name.replace("!", "/")  # sysfs has no other way to spell cciss/c0d0
        yield Disk(target=device, type="block", source=f"/dev/{device}", counter_source=counters)
