"""The disks and interfaces of the lab's guests, as their definitions have them (lab/xen/guest_files)."""

from typing import NamedTuple


class DiskIn(NamedTuple):
    """A disk: who serves it, its device number, and its name in the guest, where Linux calls all of Xen's xvd."""

    backend: str
    devid: int
    inside: str


DISKS = {
    "vm1": {"xvda": DiskIn("vbd", 51712, "xvda"), "xvdb": DiskIn("vbd", 51728, "xvdb")},
    "vm2": {
        "xvda": DiskIn("qdisk", 51712, "xvda"),
        "hdc": DiskIn("vbd", 5632, "xvdc"),
        "sdd": DiskIn("vbd", 2096, "xvdd"),
        "xvdaa": DiskIn("vbd", 268442112, "xvdaa"),
    },
    "lv1": {
        "xvda": DiskIn("vbd", 51712, "xvda"),
        "xvdb": DiskIn("qdisk", 51728, "xvdb"),
        "xvdc": DiskIn("qdisk", 51744, "xvdc"),
    },
}

NICS = {"vm1": ("vif{}.0", "lan-vm1"), "vm2": ("vif{}.0", "vif{}.1"), "lv1": ("vif{}.0",)}
"""By their numbers; {} is the domid."""

MACS = {
    "vm1": ("00:16:3e:92:11:00", "00:16:3e:92:11:01"),
    "vm2": ("00:16:3e:92:12:00", "00:16:3e:92:12:01"),
    "lv1": ("00:16:3e:92:21:00",),
}
UUIDS = {
    "vm1": "7f1c0a52-7a4e-4d0b-9a55-6a0f0e5f2b11",
    "vm2": "7f1c0a52-7a4e-4d0b-9a55-6a0f0e5f2b12",
    "lv1": "7f1c0a52-7a4e-4d0b-9a55-6a0f0e5f2b21",
}

PROVIDERS = {"vm1": "xenstore", "vm2": "xenstore", "lv1": "libvirt-status"}
"""Who knows the guest best: libvirt does not hear of those that xl started."""


def nic(guest: str, number: int, domid: int) -> str:
    """The host's name of an interface."""
    return NICS[guest][number].format(domid)


def kernel_disks() -> list[tuple[str, str]]:
    """(guest, target) of each disk that the kernel serves and counts."""
    return [(name, target) for name, disks in DISKS.items() for target, disk in disks.items() if disk.backend == "vbd"]


def qemu_disks() -> list[tuple[str, str]]:
    """(guest, target) of each disk that QEMU serves and counts."""
    return [
        (name, target) for name, disks in DISKS.items() for target, disk in disks.items() if disk.backend == "qdisk"
    ]


def all_nics() -> list[tuple[str, int]]:
    """(guest, number) of each interface."""
    return [(name, number) for name, names in NICS.items() for number in range(len(names))]
