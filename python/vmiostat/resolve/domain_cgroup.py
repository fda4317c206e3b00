"""The control groups that hold one domain and nothing else, and where they are.

libvirt gives a machine a group of its own and puts QEMU into one below it: with systemd
machine.slice/machine-qemu\\x2d1\\x2dvm1.scope/libvirt/emulator, without machine/qemu-1-vm1.libvirt-qemu/emulator.
Proxmox has qemu.slice/100.scope. A VMM that was started by hand shares its group with a whole login, or is alone in one
(systemd-run --scope).
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from vmiostat._core import Roots
from vmiostat.errors import SourceError
from vmiostat.model import Process

_ONE_DOMAIN_S = re.compile(
    r"(?:.*/)?(?:machine-[^/]+\.scope|[^/]+\.libvirt-(?:qemu|lxc|ch)|qemu\.slice/[0-9]+\.scope)(?=/|$)", re.ASCII
)
_V2_PLACES = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
_V1_PLACES = ("/sys/fs/cgroup/blkio",)
_MOUNTS = "/proc/self/mounts"


@dataclass(frozen=True, slots=True)
class DomainCgroups:
    """The folders of a domain's groups; None where there is none, or none that is the domain's alone."""

    v2: str | None = None
    v1: str | None = None
    """In the hierarchy of the controller blkio."""


def domain_cgroups(process: Process, roots: Roots) -> DomainCgroups:
    """The groups of the domain that this process runs. Raises SourceError."""
    v2 = v1 = None
    for line in os.fsdecode(roots.read(f"/proc/{process.pid}/cgroup")).splitlines():
        number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if number == "0" and not controllers:
            v2 = _folder(group, process, _places(_V2_PLACES, "cgroup2", "", roots), roots)
        elif "blkio" in controllers.split(","):
            v1 = _folder(group, process, _places(_V1_PLACES, "cgroup", "blkio", roots), roots)
    return DomainCgroups(v2, v1)


def _folder(group: str, process: Process, places: Iterator[str], roots: Roots) -> str | None:
    """Where the domain's group is: the nearest above the process's that is one's, else its own if it is alone."""
    # ".." leads out of the cgroup namespace of the process that looks; the group of all is nobody's.
    if not group.startswith("/") or group == "/" or ".." in group.split("/"):
        return None
    for place in places:
        if roots.exists(f"{place}{group}/cgroup.procs"):
            if named := _ONE_DOMAIN_S.match(group):
                return f"{place}{named.group()}"
            return f"{place}{group}" if _is_alone(process, f"{place}{group}", roots) else None
    return None


def _is_alone(process: Process, folder: str, roots: Roots) -> bool:
    """Whether the group holds this process and no other, nor any group that could."""
    try:
        processes = roots.read(f"{folder}/cgroup.procs").split()
        groups_below = [name for name in roots.list(folder) if roots.exists(f"{folder}/{name}/cgroup.procs")]
    except SourceError:
        return False
    return processes == [b"%d" % process.pid] and not groups_below


def _places(usual: tuple[str, ...], file_system: str, option: str, roots: Roots) -> Iterator[str]:
    """Where a hierarchy is mounted: first where it nearly always is."""
    yield from usual
    for line in os.fsdecode(roots.read_or_none(_MOUNTS) or b"").splitlines():
        _, where, kind, options, *_ = [*line.split(" "), "", "", "", ""]
        if kind == file_system and (not option or option in options.split(",")):
            yield where
