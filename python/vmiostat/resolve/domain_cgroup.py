"""The control groups that hold one domain and nothing else.

libvirt gives each machine a group and puts QEMU into one below it: with systemd
machine.slice/machine-qemu\\x2d1\\x2dvm1.scope/libvirt/emulator, without it machine/qemu-1-vm1.libvirt-qemu/emulator.
Proxmox has qemu.slice/100.scope. A VMM that was started by hand shares its group with a login session, or is alone in
one (systemd-run --scope).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from vmiostat._core import Roots
from vmiostat.errors import SourceError
from vmiostat.model import Process

_OF_ONE_DOMAIN = re.compile(
    r"(?:.*/)?(?:machine-[^/]+\.scope|[^/]+\.libvirt-(?:qemu|lxc|ch)|qemu\.slice/[0-9]+\.scope)(?=/|$)", re.ASCII
)
_V2_MOUNTS = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
_V1_MOUNTS = ("/sys/fs/cgroup/blkio",)
_MOUNTS = "/proc/self/mounts"


@dataclass(frozen=True, slots=True)
class DomainCgroups:
    """The folders of a domain's groups; None if it has none of its own."""

    v2: str | None = None
    v1: str | None = None
    """In the hierarchy of the blkio controller."""


def domain_cgroups(process: Process, roots: Roots) -> DomainCgroups:
    """The groups of the domain that this process runs. Raises SourceError."""
    v2 = v1 = None
    for line in _lines(roots.read(f"/proc/{process.pid}/cgroup")):
        number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if number == "0" and not controllers:
            v2 = _folder(group, process, _mounts(_V2_MOUNTS, "cgroup2", "", roots), roots)
        elif "blkio" in controllers.split(","):
            v1 = _folder(group, process, _mounts(_V1_MOUNTS, "cgroup", "blkio", roots), roots)
    return DomainCgroups(v2, v1)


def _folder(group: str, process: Process, mounts: Iterator[str], roots: Roots) -> str | None:
    """The domain's group: the first one of a domain in the process's path, else its own if it is alone in it."""
    # ".." leads out of this process's cgroup namespace; the root group is not a domain's.
    if not group.startswith("/") or group == "/" or ".." in group.split("/"):
        return None
    for mount in mounts:
        if roots.exists(f"{mount}{group}/cgroup.procs"):
            if named := _OF_ONE_DOMAIN.match(group):
                return f"{mount}{named.group()}"
            return f"{mount}{group}" if _is_alone(process, f"{mount}{group}", roots) else None
    return None


def _is_alone(process: Process, folder: str, roots: Roots) -> bool:
    """Whether the group holds this process, no other, and no group that could."""
    try:
        processes = roots.read(f"{folder}/cgroup.procs").split()
        groups_below = [name for name in roots.list(folder) if roots.exists(f"{folder}/{name}/cgroup.procs")]
    except SourceError:
        return False
    return processes == [b"%d" % process.pid] and not groups_below


def _mounts(usual: tuple[str, ...], file_system: str, option: str, roots: Roots) -> Iterator[str]:
    """Where a hierarchy is mounted: first the usual folders."""
    yield from usual
    for line in _lines(roots.read_or_none(_MOUNTS) or b""):
        _, where, kind, options, *_ = [*line.split(" "), "", "", "", ""]
        if kind == file_system and (not option or option in options.split(",")):
            yield where


def _lines(text: bytes) -> list[str]:
    """Not by str.splitlines(): the name of a group or folder may contain what that takes for the end of a line."""
    return text.decode(errors="surrogateescape").split("\n")
