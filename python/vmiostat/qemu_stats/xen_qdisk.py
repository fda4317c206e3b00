"""Xen's qdisks: the disks that a QEMU serves as a backend, and its names for them."""

from vmiostat._core import Roots
from vmiostat.model import Disk, Domain
from vmiostat.system.xen_backend import backend_folder
from vmiostat.system.xen_vbd_number import xen_device_number

_FORMATS = ("raw", "qcow2", "qcow", "qed", "vpc")
"""QEMU's names of the formats; its vpc is Xen's vhd."""


def is_qdisk(disk: Disk, domain: Domain, roots: Roots) -> bool:
    """Whether a QEMU on this host serves the disk."""
    number = xen_device_number(disk.target)
    return (
        domain.id is not None
        and number is not None
        and backend_folder(f"qdisk-{domain.id}-{number}", roots) is not None
    )


def node_names(disk: Disk) -> tuple[str, ...]:
    """The names that QEMU may have for it: its configured name and its format (hw/block/xen-block.c, since QEMU 4.0).

    >>> node_names(Disk("xvda"))[:2]
    ('xvda-raw', 'xvda-qcow2')
    """
    return tuple(f"{disk.target}-{name}" for name in _FORMATS)
