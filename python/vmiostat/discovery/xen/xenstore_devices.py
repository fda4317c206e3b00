"""The disks and vifs in xenstore: those that dom0 serves, and those that another domain serves."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from vmiostat.discovery.xen.xenstore_queries import Queries

VIF = "vif"
DISKS = ("qdisk", "tap", "vbd3", "vbd")
"""Backends of disks: QEMU; blktap of 2007; tapdisk of XenServer and XCP-ng; the kernel's blkback."""

_BACKENDS = "/local/domain/0/backend"
_NUMBER = re.compile(r"0|[1-9][0-9]{0,9}", re.ASCII)
_BACKEND = re.compile(r"/local/domain/([1-9][0-9]{0,4})/backend/([a-z0-9]{1,16})/([0-9]{1,5})/([0-9]{1,10})", re.ASCII)

_KEYS = {
    VIF: ("vifname", "mac", "bridge"),
    "vbd": ("dev", "params", "device-type", "physical-device-path"),
    "vbd3": ("dev", "params", "device-type", "state", "kthread-pid"),
    "qdisk": ("dev", "params", "device-type", "state"),
}
_OF_DISK = ("dev", "params", "device-type")


@dataclass(frozen=True, slots=True)
class Device:
    """The backend of device `number` of domain `domid`, and its values in xenstore."""

    kind: str
    domid: int
    number: int
    server: int = 0
    """The domain that the backend is in."""
    values: dict[str, str | None] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return f"/local/domain/{self.server}/backend/{self.kind}/{self.domid}/{self.number}"

    def value(self, key: str) -> str | None:
        """None for an empty value, too."""
        return self.values.get(key) or None


def served(queries: Queries) -> list[Device]:
    """The devices that dom0 serves."""
    kinds = [kind for kind in queries.names([_BACKENDS])[0] if kind in (*DISKS, VIF)]
    of_kinds = _listed(queries, [f"{_BACKENDS}/{kind}" for kind in kinds])
    domains = [(kind, domid) for kind, domids in zip(kinds, of_kinds, strict=True) for domid in domids]
    of_domains = _listed(queries, [f"{_BACKENDS}/{kind}/{domid}" for kind, domid in domains])
    found: dict[tuple[bool, int, int], Device] = {}
    # A number is one device of its domain: if a stale backend is left over, blkback's takes precedence.
    for kind in (*DISKS, VIF):
        for (of_kind, domid), numbers in zip(domains, of_domains, strict=True):
            if of_kind == kind:
                found |= {(kind == VIF, domid, number): Device(kind, domid, number) for number in numbers}
    return _with_values(queries, found.values())


def served_elsewhere(queries: Queries, domids: Iterable[int], here: Iterable[Device]) -> list[Device]:
    """The devices of these domains that dom0 does not serve: their backend is in a driver domain.

    The toolstack's own entries (/libxl) take precedence over those that the guest can write, which are believed only
    about the guest's own devices.
    """
    in_libxl = {int(name) for name in queries.names(["/libxl"])[0] if _NUMBER.fullmatch(name)}
    known = {(device.kind == VIF, device.domid, device.number) for device in here}
    places = [
        (domid, kind, f"/libxl/{domid}/device/{kind}" if domid in in_libxl else f"/local/domain/{domid}/device/{kind}")
        for domid in domids
        for kind in ("vbd", VIF)
    ]
    listed = _listed(queries, [path for _, _, path in places])
    unknown = [
        (domid, number, f"{path}/{number}/backend")
        for (domid, kind, path), numbers in zip(places, listed, strict=True)
        for number in numbers
        if (kind == VIF, domid, number) not in known
    ]
    backends = queries.values(path for _, _, path in unknown)
    found = []
    for (domid, number, _), backend in zip(unknown, backends, strict=True):
        match = _BACKEND.fullmatch(backend or "")
        if match and (int(match[3]), int(match[4])) == (domid, number) and match[2] in (*DISKS, VIF):
            found.append(Device(match[2], domid, number, server=int(match[1])))
    return _with_values(queries, found)


def _listed(queries: Queries, paths: Sequence[str]) -> list[list[int]]:
    """The numbers in each folder."""
    return [[int(name) for name in names if _NUMBER.fullmatch(name)] for names in queries.names(paths)]


def _with_values(queries: Queries, devices: Iterable[Device]) -> list[Device]:
    devices = list(devices)
    keys = [_KEYS.get(device.kind, _OF_DISK) for device in devices]
    paths = [f"{device.path}/{key}" for device, wanted in zip(devices, keys, strict=True) for key in wanted]
    values: Iterator[str | None] = iter(queries.values(paths))
    return [
        replace(device, values={key: next(values) for key in wanted})
        for device, wanted in zip(devices, keys, strict=True)
    ]
