"""Disks and vifs in xl's notation: xl-disk-configuration(5) and xl-network-configuration(5)."""

import re
from collections.abc import Iterator

from vmiostat.discovery.driver_domain import served_by
from vmiostat.model import Disk, Interface
from vmiostat.system.xen_vbd_number import xen_device_number

_FORMATS = frozenset({"raw", "qcow", "qcow2", "vhd", "qed"})
_PREFIX = re.compile(r"((phy|file|tap2?|aio|ioemu|raw|qcow2?|vhd|qed|iscsi|drbd|e?nbd):)+", re.ASCII)
"""Prefixes of the path in xm's syntax; there may be several (tap:aio:/srv/a)."""
_KEY = re.compile(r"[a-z][a-z-]*", re.ASCII)
_DRIVERS = {"phy": "phy", "qdisk": "qemu", "tap": "tap"}


def xl_disk(specification: str) -> Disk | None:
    """The disk of `TARGET, FORMAT, VDEV, ACCESS`, or of any of them as `vdev=xvda`; None without a valid vdev.

    >>> xl_disk("/dev/vg/a,raw,xvda,w").source
    '/dev/vg/a'
    >>> xl_disk("phy:/dev/vg/a,hda,w") == xl_disk("vdev=hda, target=/dev/vg/a")
    True
    """
    found = dict(_disk_parts(specification))
    cdrom = found.get("devtype") == "cdrom"
    vdev = found.get("vdev", "")
    if vdev.endswith(":cdrom"):
        vdev, cdrom = vdev.removesuffix(":cdrom"), True
    source = found.get("target", "")
    if prefix := _PREFIX.match(source):
        source = source[prefix.end() :]
    return disk(vdev, source, backend=found.get("backendtype", ""), server=found.get("backend", ""), cdrom=cdrom)


def disk(vdev: str, source: str, *, backend: str = "", server: str = "", cdrom: bool = False) -> Disk | None:
    """The disk of these values; `server` is the domain of its backend."""
    vdev = vdev.removeprefix("/dev/")
    if xen_device_number(vdev) is None:
        return None
    return Disk(
        vdev,
        type="block" if source.startswith("/dev/") else "file",
        device="cdrom" if cdrom else "disk",
        source=source or None,
        driver=_DRIVERS.get(backend),
        reason=served_by(server),
    )


def xl_vif(specification: str, number: int, domid: int | None = None) -> Interface:
    """The interface of `mac=...,bridge=...,vifname=...`, number `number` of its domain, from 0."""
    words = (word.partition("=") for word in specification.split(","))
    found = {key.strip(): value.strip() for key, equals, value in words if equals}
    server = found.get("backend", "")
    return interface(found.get("vifname"), found.get("mac"), found.get("bridge"), number, domid, server)


def interface(
    name: str | None, mac: str | None, bridge: str | None, number: int, domid: int | None, server: str = ""
) -> Interface:
    """The interface of these values. Without a name and a domid only its MAC address is known."""
    mac = mac.lower() if mac else None
    plain = f"vif{domid}.{number}" if domid is not None else mac or f"net:{number}"
    return Interface(name or plain, "ethernet", mac=mac, source=bridge, reason=served_by(server))


def _disk_parts(specification: str) -> Iterator[tuple[str, str]]:
    """(key, value) of each part. The target may contain commas if it comes last, as `target=`."""
    words = re.fullmatch(r"(?P<first>|.*,)\s*target=(?P<target>.*)", specification, re.DOTALL)
    keys = ["format", "vdev", "access"]
    if words is not None:
        yield "target", words["target"].strip()
        specification = words["first"].removesuffix(",")
    else:
        keys.insert(0, "target")
    for word in map(str.strip, specification.split(",")):
        key, equals, value = map(str.strip, word.partition("="))
        if word == "cdrom":
            yield "devtype", "cdrom"
        elif equals and _KEY.fullmatch(key):
            yield key, value
        elif keys:
            if keys[0] == "format" and word not in _FORMATS and _is_vdev(word):
                keys.pop(0)  # xm's syntax has no format: phy:/dev/vg/a,xvda,w
            yield keys.pop(0), word


def _is_vdev(word: str) -> bool:
    return xen_device_number(word.removesuffix(":cdrom")) is not None
