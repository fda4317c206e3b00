"""Xen domains that libvirt runs: their identity is libvirt's, their devices are xenstore's.

libvirt does not see changes by others (`xl block-attach`), keeps the name that an interface had at its start, and knows
neither the interface that QEMU emulates for a vif nor the id of a driver domain.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from vmiostat.discovery.row_names import with_row_names
from vmiostat.discovery.xen.xenstore import Xenstore
from vmiostat.model import Disk, Domain, Interface
from vmiostat.system.xen_vbd_number import xen_device_number

_NOT_IN_XENSTORE = "hostdev"


def with_devices_of_xenstore(domains: Sequence[Domain]) -> Iterator[Domain]:
    """The domains; those that xenstore knows as well with the devices that xenstore has for them."""
    in_xenstore = {domain.id: domain for domain in domains if domain.provider == Xenstore.name}
    return (_with_devices(domain, in_xenstore.get(domain.id)) for domain in domains)


def _with_devices(domain: Domain, stored: Domain | None) -> Domain:
    if stored is None or stored is domain or domain.type != "xen":
        return domain
    if None not in (domain.uuid, stored.uuid) and domain.uuid != stored.uuid:
        return domain
    disks = {xen_device_number(disk.target): disk for disk in domain.disks}
    by_mac = {nic.mac: nic for nic in domain.interfaces}
    nics = tuple(_nic(nic, by_mac.get(nic.mac) if nic.mac else None) for nic in stored.interfaces)
    merged = replace(
        domain,
        disks=tuple(_disk(disk, disks.get(xen_device_number(disk.target))) for disk in stored.disks),
        interfaces=nics + tuple(nic for nic in domain.interfaces if nic.type == _NOT_IN_XENSTORE),
    )
    return with_row_names(merged)


def _disk(disk: Disk, known: Disk | None) -> Disk:
    """For a file, libvirt has its path, and xenstore the loop device that the kernel's backend uses."""
    if known is None or known.type != "file" or not (disk.source or "").startswith("/dev/loop"):
        return disk
    return replace(disk, type=known.type, source=known.source)


def _nic(nic: Interface, known: Interface | None) -> Interface:
    """libvirt knows the network as well."""
    return nic if known is None else replace(known, target=nic.target, reason=nic.reason)
