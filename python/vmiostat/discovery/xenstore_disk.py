"""A disk as xenstore has it: what the toolstack was asked for, under the name that it was asked for."""

import re

from vmiostat.counters import Tapdisk
from vmiostat.discovery.xenstore_devices import Device
from vmiostat.model import Disk
from vmiostat.xen_disk_name import disk_name, xen_device_number

_PID = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_DRIVERS = {"vbd": "phy", "qdisk": "qemu", "tap": "tap", "vbd3": "tapdisk"}


def disk(device: Device, reason: str = "") -> Disk:
    """The disk that a backend serves; `reason` is why it has no counters here."""
    return Disk(
        target=_target(device),
        type=_type(device),
        device="cdrom" if device.value("device-type") == "cdrom" else "disk",
        source=_source(device),
        driver=_DRIVERS[device.kind],
        counters=None if reason else _counters(device),
        reason=reason,
    )


def _counters(device: Device) -> Tapdisk | None:
    """A tapdisk is known by its process, which xenstore alone tells at once."""
    pid = device.value("kthread-pid") or ""
    return Tapdisk(int(pid), device.domid, device.number) if _PID.fullmatch(pid) else None


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
