"""A disk as xenstore has it: what the toolstack was asked for, under the name that it was asked for."""

import re

from vmiostat.counter_sources import Tapdisk
from vmiostat.discovery.xen.xenstore_devices import Device
from vmiostat.model import Disk
from vmiostat.system.xen_backend import NOT_CONNECTED
from vmiostat.system.xen_vbd_number import disk_name, xen_device_number

_PID = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_DRIVERS = {"vbd": "phy", "qdisk": "qemu", "tap": "tap", "vbd3": "tapdisk"}
_STATES = {"1": "Initialising", "2": "InitWait", "3": "Initialised", "5": "Closing", "6": "Closed"}
"""In the kernel's words, but for those of a device that is connected (4, and 7 and 8, in which it changes)."""


def disk(device: Device, reason: str = "") -> Disk:
    """The disk that a backend serves; `reason` is why it has no counters here."""
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
    """A tapdisk is known by its process, which xenstore alone tells at once."""
    pid = device.value("kthread-pid") or ""
    return Tapdisk(int(pid), device.domid, device.number) if _PID.fullmatch(pid) else None


def _not_connected(device: Device, counters: Tapdisk | None) -> str:
    """Of blkback's disks the kernel tells it, and of tapdisk's and QEMU's it says Initialising for ever."""
    state = _STATES.get(device.value("state") or "")
    if state is None or (device.kind == "qdisk" and _type(device) == "block"):
        return ""  # what counts that is found later
    if device.kind == "qdisk":
        backend = f"qdisk-{device.domid}-{device.number}"
        alone = f"its backend is QEMU ({backend}), which alone counts its requests"
        return f"{alone}, and is in state {state}: the guest is not connected to it"
    return NOT_CONNECTED.format(state) if counters is not None else ""


def _target(device: Device) -> str:
    """As configured, `hda` or `d5p0`: a Linux guest shows another name, and numbers do not tell two spellings apart."""
    name = (device.value("dev") or "").removeprefix("/dev/")
    return name if xen_device_number(name) == device.number else disk_name(device.number)


def _source(device: Device) -> str | None:
    """The host's path. QEMU's and tapdisk's comes after the format (qcow2:/srv/a.qcow2), blkback's after a script."""
    params = device.value("params")
    if device.kind == "vbd":
        return device.value("physical-device-path") or params
    head, colon, path = (params or "").partition(":")
    return path if colon and "/" not in head else params


def _type(device: Device) -> str:
    if device.kind == "vbd":
        return "block"
    return "block" if device.kind == "qdisk" and (_source(device) or "").startswith("/dev/") else "file"
