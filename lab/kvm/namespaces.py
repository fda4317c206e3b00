"""What libvirtd sees of the machine: folders of the lab in the places of libvirt's own, and the lab's interfaces only.

A mount namespace of its own leaves the machine's /etc/libvirt and /run alone, and /sys shows the network namespace of
who mounted it. In a control group namespace libvirt takes the lab's group for the root, and so stays in it.
"""

import subprocess
from pathlib import Path

from lab.command import run
from lab.kvm import control_groups
from lab.kvm.place import Place

_FOLDERS = {
    "etc": "/etc/libvirt",
    "lib": "/var/lib/libvirt",
    "cache/libvirt": "/var/cache/libvirt",
    "log": "/var/log/libvirt",
    "run": "/run",
}
# libvirtd looks up who would run its guests if no setting said otherwise, and does not start without that account.
# Debian has it made by libvirt-daemon-system, which would start daemons, too.
_ACCOUNTS = {
    "passwd": "libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin\n",
    "group": "libvirt-qemu:x:64055:\n",
}


def make(place: Place) -> None:
    """Makes the namespaces, unless they are there. Raises LabError."""
    if _is_mounted(place.pins / "mnt"):
        return
    remove(place)
    for own, libvirt in _FOLDERS.items():
        (place.folder / own).mkdir(exist_ok=True)
        Path(libvirt).mkdir(parents=True, exist_ok=True)
    for own, account in _ACCOUNTS.items():
        # Where the machine has that account, its own line stands first, and so counts.
        (place.folder / own).write_text((Path("/etc") / own).read_text() + account)
    place.pins.mkdir(exist_ok=True)
    for kind in ("mnt", "cgroup"):
        (place.pins / kind).touch()
    # The kernel keeps a mount namespace only at a place whose mounts nobody else gets to see.
    run("mount", "--bind", place.pins, place.pins)
    run("mount", "--make-private", place.pins)
    hierarchies = control_groups.make(place)
    # A control group namespace begins at the group of who makes it.
    join = "".join(f"echo $$ > '{hierarchy.mounted / place.name}/cgroup.procs'; " for hierarchy in hierarchies)
    run(
        *("sh", "-ec", f'{join} exec "$@"', "sh"),
        *("unshare", f"--mount={place.pins}/mnt", f"--cgroup={place.pins}/cgroup", "--propagation=private"),
        *("nsenter", f"--net={place.namespace}"),
        *("sh", "-ec", "\n".join(_mounts(place, hierarchies))),
    )
    control_groups.hand_controllers_down(place)


def _mounts(place: Place, hierarchies: list[control_groups.Hierarchy]) -> list[str]:
    lines = [f"mount --bind '{place.folder / own}' {libvirt}" for own, libvirt in _FOLDERS.items()]
    lines += [f"mount --bind '{place.folder / own}' /etc/{own}" for own in _ACCOUNTS]
    # What is only mounted over still stands in /proc/mounts, where libvirt looks for control groups.
    lines += ["! mountpoint -q /sys/fs/cgroup || umount -R /sys/fs/cgroup", "mount -t sysfs sysfs /sys"]
    if any(hierarchy.type == "cgroup" for hierarchy in hierarchies):  # each has a folder of its own then
        lines.append("mount -t tmpfs tmpfs /sys/fs/cgroup")
    for one in hierarchies:
        options = f"-o {one.options}" if one.options else ""
        lines += [f"mkdir -p {one.mounted}", f"mount -t {one.type} {options} {one.type} {one.mounted}"]
    return lines


def remove(place: Place) -> None:
    """Lets the namespaces go; the kernel removes them when no process is in them."""
    for pin in (place.pins / "mnt", place.pins / "cgroup", place.pins):
        while _is_mounted(pin):
            run("umount", pin)


def _is_mounted(path: Path) -> bool:
    return subprocess.run(["mountpoint", "-q", path], check=False).returncode == 0
