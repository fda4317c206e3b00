"""A disk as xenstore has it: with the name and storage that were configured."""

import re

from vmiostat.counter_sources import Tapdisk
from vmiostat.discovery.xen.xenstore_devices import Device
from vmiostat.model import Disk
from vmiostat.system.xen_backend import NOT_CONNECTED
from vmiostat.system.xen_vbd_number import disk_name, xen_device_number

_PID = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_DRIVERS = {"vbd": "phy", "qdisk": "qemu", "tap": "tap", "vbd3": "tapdisk"}
_STATES = {"1": "Initialising", "2": "InitWait", "3": "Initialised", "5": "Closing", "6": "Closed"}
"""The kernel's names, without the states of a connected device (4, and 7 and 8 while it is reconfigured)."""


def disk(device: Device, reason: str = "") -> Disk:
    """The disk that a backend serves; `reason` is why it is not counted here."""
    counters = None if reason else _counters(device)
    return Disk(
        target=_target(device),
        type=_type(device),
        device="cdrom" if device.value("device-type") == "cdrom" else "disk",
        source=_source(device),
        driver=_DRIVERS[device.kind],
        counter_source=counters,
        reason=reason or _not_connected(device, counters),
    )


def _counters(device: Device) -> Tapdisk | None:
    """A tapdisk is identified by its process, which xenstore names."""
    pid = device.value("kthread-pid") or ""
    return Tapdisk(int(pid), device.domid, device.number) if _PID.fullmatch(pid) else None


def _not_connected(device: Device, counters: Tapdisk | None) -> str:
    """For a disk of tapdisk or QEMU, whose state in sysfs is always Initialising; blkback's is right there."""
    state = _STATES.get(device.value("state") or "")
    if state is None or (device.kind == "qdisk" and _type(device) == "block"):
        return ""  # its block device counts
    if device.kind == "qdisk":
        backend = f"qdisk-{device.domid}-{device.number}"
        return f"its backend is QEMU ({backend}), in state {state}: the guest is not connected to it"
    return NOT_CONNECTED.format(state) if counters is not None else ""


def _target(device: Device) -> str:
    """As configured: `hda` or `d5p0`. A Linux guest may show another name, and two spellings can have one number."""
    name = (device.value("dev") or "").removeprefix("/dev/")
    return name if xen_device_number(name) == device.number else disk_name(device.number)


def _source(device: Device) -> str | None:
    """The host's path. For QEMU and tapdisk the format precedes it (qcow2:/srv/a.qcow2), for blkback a script may."""
    params = device.value("params")
    if device.kind == "vbd":
        return device.value("physical-device-path") or params
    head, colon, path = (params or "").partition(":")
    # In https://... it is no format.
    return path if colon and "/" not in head and not path.startswith("//") else params


def _type(device: Device) -> str:
    if device.kind == "vbd":
        return "block"
    return "block" if device.kind == "qdisk" and (_source(device) or "").startswith("/dev/") else "file"
