"""The lab's control group in every hierarchy that libvirt can use; libvirt makes those of its guests below it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.kvm.place import Place

_CONTROLLERS = ("cpu", "cpuacct", "memory", "blkio")
"""Of version 1. Not `devices` and not `cpuset`, which would have to be told first what the guests may use."""


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """A mounted hierarchy of control groups."""

    mounted: Path
    type: str
    """cgroup or cgroup2."""
    options: str
    """The controllers of version 1, as mount takes them."""


def hierarchies() -> list[Hierarchy]:
    """Those of this machine that libvirt can use."""
    found = []
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, mounted, kind, options, *_ = line.split()
        controllers = [option for option in options.split(",") if option in _CONTROLLERS]
        if kind == "cgroup2" or (kind == "cgroup" and controllers):
            found.append(Hierarchy(Path(mounted), kind, ",".join(controllers)))
    return found


def make(place: Place) -> list[Hierarchy]:
    """Makes the lab's group in every hierarchy that may be written; those."""
    made = []
    for hierarchy in hierarchies():
        group = hierarchy.mounted / place.name
        try:
            group.mkdir(exist_ok=True)
            (group / "daemons").mkdir(exist_ok=True)
        except OSError:  # a container's are often read-only, and libvirt does without
            continue
        made.append(hierarchy)
    return made


def hand_controllers_down(place: Place) -> None:
    """Lets groups below the lab's have controllers; version 2 refuses it while a process is in the lab's own group."""
    for group in _groups(place):
        if not (group / "cgroup.subtree_control").exists():  # version 1
            continue
        for controller in (group / "cgroup.controllers").read_text().split():
            try:
                (group / "cgroup.subtree_control").write_text(f"+{controller}")
            except OSError:  # one that is in use otherwise: the guests do without it
                continue


def processes(place: Place) -> set[int]:
    """All processes in the lab's groups."""
    lists = [group / "cgroup.procs" for top in _groups(place) for group in _below(top)]
    return {int(pid) for one in lists for pid in one.read_text().split()}


def remove(place: Place) -> None:
    """Removes the lab's groups; they are empty once its processes have ended."""
    for top in _groups(place):
        for group in reversed(list(_below(top))):
            group.rmdir()


def _groups(place: Place) -> list[Path]:
    groups = [hierarchy.mounted / place.name for hierarchy in hierarchies()]
    return [group for group in groups if group.exists()]


def _below(top: Path) -> Iterator[Path]:
    yield top
    for one in sorted(top.iterdir()):
        if one.is_dir():
            yield from _below(one)
