"""Xen domains by the kernel's backend devices, folders KIND-DOMID-NUMBER in sysfs, which anyone may read.

They show a domain's id and devices, but neither its name nor its UUID: it is called Domain-DOMID.
"""

import re
from collections import defaultdict

from vmiostat._core import Roots
from vmiostat.discovery.provider import Found, ScanContext
from vmiostat.discovery.xen.vif import vif_interfaces
from vmiostat.errors import Error, SourceError
from vmiostat.model import Disk, Domain, Interface
from vmiostat.system.xen_backend import devices
from vmiostat.system.xen_vbd_number import disk_name

# Other kinds are neither disk nor interface: console, vkbd, vfb, ...
_DEVICE = re.compile(r"(vbd3|vbd|tap|qdisk|vif)-(0|[1-9][0-9]{0,4})-(0|[1-9][0-9]{0,9})", re.ASCII)
_DISKS = {"qdisk": ("file", "qemu"), "tap": ("file", "tap"), "vbd3": ("file", "tapdisk"), "vbd": ("block", "phy")}


class XenSysfs:
    """Finds the domains that have a backend device on this machine; none where there is no Xen."""

    name = "xen-sysfs"

    def scan(self, context: ScanContext) -> Found:
        """Domains by their domid."""
        roots = context.roots
        disks: dict[int, dict[int, Disk]] = defaultdict(dict)
        nics: dict[int, dict[int, list[Interface]]] = defaultdict(dict)
        try:
            found = [match for _, name in devices(roots) if (match := _DEVICE.fullmatch(name))]
        except SourceError as error:
            return Found(problems=(error,))
        names, problems = _interface_names(roots) if found else (frozenset(), ())
        for match in found:
            kind, domid, number = match[1], int(match[2]), int(match[3])
            if kind == "vif":
                nics[domid][number] = list(vif_interfaces(domid, number, names, roots))
            elif kind == "vbd" or number not in disks[domid]:  # vbd takes precedence
                disks[domid][number] = Disk(disk_name(number), type=_DISKS[kind][0], driver=_DISKS[kind][1])
        domains = (
            Domain(
                name=f"Domain-{domid}",
                id=domid,
                type="xen",
                provider=self.name,
                # By number; the folder sorts them as text: 2096, 268442112, 5632.
                disks=tuple(disk for _, disk in sorted(disks[domid].items())),
                interfaces=tuple(nic for _, of_vif in sorted(nics[domid].items()) for nic in of_vif),
            )
            for domid in sorted({*disks, *nics})
        )
        return Found(tuple(domains), problems)


def _interface_names(roots: Roots) -> tuple[frozenset[str], tuple[Error, ...]]:
    try:
        return frozenset(roots.interfaces()), ()
    except SourceError as error:
        return frozenset(), (error,)
