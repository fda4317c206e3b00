"""The machine itself as a domain, `host`: its network interfaces, physical and virtual, and its whole disks.

Reads /proc/net/dev, /sys/class/net and /sys/block, as anyone. Rates of `host` are in its own direction: its rx is rx.
"""

from collections.abc import Iterator

from vmiostat._core import Roots
from vmiostat.counter_sources import BlockDevice
from vmiostat.discovery.provider import Found, ScanContext
from vmiostat.errors import Error, SourceError
from vmiostat.model import Disk, Domain, Interface


class HostItself:
    """Finds the domain `host`, and nothing else."""

    name = "host"

    def scan(self, context: ScanContext) -> Found:
        """The domain `host`. An unreadable /proc/net/dev or /sys/block is a problem."""
        problems: list[Error] = []
        nics: tuple[Interface, ...] = ()
        disks: tuple[Disk, ...] = ()
        try:
            nics = tuple(_interface(name, context.roots) for name in context.roots.interfaces())
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
        rx_tx_view="the host's own interface, in the host's own direction",
    )


def _disks(roots: Roots) -> Iterator[Disk]:
    """Whole disks only: a partition's requests are its disk's too. Unused loop, ram and zram devices have no size."""
    folder = "/sys/block" if roots.exists("/sys/block") else "/sys/class/block"
    for name in roots.list(folder):
        path = f"{folder}/{name}"
        if roots.exists(f"{path}/partition"):
            continue
        try:
            # No `dev`: a path of a multipath NVMe device, which is counted as one under the device's own name.
            major, minor = roots.read(f"{path}/dev").split(b":")
            if int(roots.read(f"{path}/size")) == 0:
                continue
            counters = BlockDevice(int(major), int(minor))
        except (OSError, ValueError):
            continue
        device = name.replace("!", "/")  # sysfs has no other way to spell cciss/c0d0
        yield Disk(target=device, type="block", source=f"/dev/{device}", counter_source=counters)
