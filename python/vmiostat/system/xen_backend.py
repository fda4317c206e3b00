"""The kernel's backend devices of Xen domains: folders KIND-DOMID-NUMBER in sysfs."""

import errno
import re

from vmiostat._core import Roots
from vmiostat.errors import SourceError

BUS = "/sys/bus/xen-backend/devices"
"""Links to the devices' folders."""
DEVICES = "/sys/devices/xen-backend"
"""The folders themselves, in old kernels (Linux 2.6.18 with Xen's patches)."""
FOLDERS = (BUS, DEVICES)

NOT_CONNECTED = "its backend is in state {}: the guest is not connected to it"


def devices(roots: Roots) -> list[tuple[str, str]]:
    """(folder, name) of every backend device, each name once; none on a machine without Xen. Raises SourceError."""
    found: dict[str, str] = {}
    for folder in FOLDERS:
        try:
            names = roots.list(folder)
        except SourceError as error:
            if error.errno == errno.ENOENT:
                continue
            raise
        for name in names:
            found.setdefault(name, folder)
    return [(folder, name) for name, folder in found.items()]


def backend_folder(name: str, roots: Roots) -> str | None:
    """The folder of the backend device `name` (vbd-1-51712); None if there is none."""
    return next((f"{folder}/{name}" for folder in FOLDERS if roots.exists(f"{folder}/{name}")), None)


def not_connected(device: str | None, roots: Roots) -> str:
    """That the guest is not connected to the backend device with this folder; "" if it is or that is unknown.

    Only a kernel driver keeps this state up to date: for tapdisk and QEMU it stays Initialising.
    """
    text = None if device is None else roots.read_or_none(f"{device}/state")  # kernels of 2007 have no such file
    state = "Connected" if text is None else text.decode(errors="replace").strip()
    return "" if state == "Connected" else NOT_CONNECTED.format(state)


def vif_name(domid: int, number: int | str, roots: Roots) -> str | None:
    """The name of a vif's interface: `vifname=` sets any, and it can be renamed.

    None while the vif is being set up, if it is in another network namespace, and on kernels of 2007.
    """
    folder = backend_folder(f"vif-{domid}-{number}", roots)
    return None if folder is None else next(iter(roots.list_or_empty(f"{folder}/net")), None)


def renamed(name: str, domid: int, roots: Roots) -> str | None:
    """The current name of the interface that Xen created as `name` (vif1.0), which libvirt continues to report.

    None if it is not known.
    """
    match = re.fullmatch(r"vif([0-9]+)\.([0-9]+)", name)
    return None if match is None or int(match[1]) != domid else vif_name(domid, match[2], roots)
