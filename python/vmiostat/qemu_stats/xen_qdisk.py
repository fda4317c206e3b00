"""Xen's qdisks: which of a domain's disks its QEMU serves, and what that calls them."""

from vmiostat._core import Roots
from vmiostat.model import Disk, Domain
from vmiostat.system.xen_backend import backend_folder
from vmiostat.system.xen_vbd_number import xen_device_number

_FORMATS = ("raw", "qcow2", "qcow", "qed", "vpc")
"""QEMU's words; vpc is Xen's vhd."""


def is_qdisk(disk: Disk, domain: Domain, roots: Roots) -> bool:
    """Whether a QEMU of this host serves the disk."""
    number = xen_device_number(disk.target)
    return (
        domain.id is not None
        and number is not None
        and backend_folder(f"qdisk-{domain.id}-{number}", roots) is not None
    )


def node_names(disk: Disk) -> tuple[str, ...]:
    """What QEMU may call it: the disk's configured name and its format (hw/block/xen-block.c, since QEMU 4.0).

    >>> node_names(Disk("xvda"))[:2]
    ('xvda-raw', 'xvda-qcow2')
    """
    return tuple(f"{disk.target}-{name}" for name in _FORMATS)
