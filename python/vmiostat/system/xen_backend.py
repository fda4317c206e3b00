"""Where the kernel keeps the backend devices of Xen domains: folders KIND-DOMID-NUMBER below xen-backend."""

import errno
import re

from vmiostat._core import Roots
from vmiostat.errors import SourceError

BUS = "/sys/bus/xen-backend/devices"
"""Links to the devices' folders, wherever the kernel keeps those."""
DEVICES = "/sys/devices/xen-backend"
"""The folders themselves, in kernels of the time when the bus was their parent (Linux 2.6.18 with Xen's patches)."""
FOLDERS = (BUS, DEVICES)

NOT_CONNECTED = "its backend is in state {}: the guest is not connected to it"


def devices(roots: Roots) -> list[tuple[str, str]]:
    """(folder, name) of every backend device, each name once, links before folders; none where there is no Xen.

    Raises SourceError.
    """
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
    """The folder of the backend device called `name` (vbd-1-51712), None where there is none."""
    return next((f"{folder}/{name}" for folder in FOLDERS if roots.exists(f"{folder}/{name}")), None)


def not_connected(device: str | None, roots: Roots) -> str:
    """That the guest is not connected to the backend device that has this folder; "" if it is, or nobody knows.

    A driver of the kernel's keeps this state. Of what tapdisk or QEMU serves it is Initialising for ever.
    """
    text = None if device is None else roots.read_or_none(f"{device}/state")  # kernels of 2007 have no such file
    state = "Connected" if text is None else text.decode(errors="replace").strip()
    return "" if state == "Connected" else NOT_CONNECTED.format(state)


def vif_name(domid: int, number: int | str, roots: Roots) -> str | None:
    """What the kernel calls a vif: any name by `vifname=`, and it can be renamed while it is up.

    None while the vif is being set up, when it is in another network namespace, and on kernels of 2007.
    """
    folder = backend_folder(f"vif-{domid}-{number}", roots)
    return None if folder is None else next(iter(roots.list_or_empty(f"{folder}/net")), None)


def renamed(name: str, domid: int, roots: Roots) -> str | None:
    """What the interface that Xen made as `name` (vif1.0) is called now; None where that is not known.

    libvirt goes on telling the first name.
    """
    match = re.fullmatch(r"vif([0-9]+)\.([0-9]+)", name)
    return None if match is None or int(match[1]) != domid else vif_name(domid, match[2], roots)
