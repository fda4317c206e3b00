"""A definition's disks: libvirt's <disk>, and a container's <filesystem>."""

from lxml import etree

from vmiostat.discovery.driver_domain import served_by
from vmiostat.model import Disk

CONTAINERS = frozenset({"lxc", "openvz", "vz", "parallels"})
"""Domain types whose disks are their file systems. A virtual machine's <filesystem> is a shared folder."""


def disk(element: etree._Element) -> Disk:
    """A <disk>; its target is empty if the definition has none."""
    kind = element.get("type", "file")
    return Disk(
        target=_attribute(element, "target", "dev") or "",
        type=kind,
        device=element.get("device", "disk"),
        source=_source(element.find("source"), kind),
        driver=_attribute(element, "driver", "name"),
        alias=_attribute(element, "alias", "name"),
        reason=served_by(_attribute(element, "backenddomain", "name") or ""),
    )


def passed_through(element: etree._Element) -> Disk | None:
    """The disk that a <hostdev> gives to the guest: a LUN, or a container's block device; None for anything else.

    It has no target: its name is libvirt's alias, else that of the device.
    """
    alias, source = _attribute(element, "alias", "name"), element.find("source")
    if source is None:
        return None
    match element.get("mode"), element.get("type"):
        case "capabilities", "storage":
            path = (source.findtext("block") or "").strip()
            return Disk(path, "block", source=path, alias=alias) if path else None
        case "subsystem", "scsi" if source.get("protocol"):
            name = _joined(":", source.get("protocol"), source.get("name"))
            return Disk(alias or name or "scsi", "network", "lun", name, alias=alias)
        case "subsystem", "scsi":
            address = source.find("address")
            numbers = [] if address is None else [_bare(address, part) for part in ("bus", "target", "unit")]
            name = _joined(" ", _attribute(source, "adapter", "name"), ":".join(numbers))
            return Disk(alias or name or "scsi", "scsi", "lun", name, alias=alias)
        case "subsystem", "scsi_host":
            name = source.get("wwpn")
            return Disk(alias or name or "scsi_host", "vhostscsi", "lun", name, alias=alias)
    return None


def filesystem(element: etree._Element) -> Disk:
    """A container's <filesystem>, named after the folder on which it is mounted."""
    kind = element.get("type", "mount")
    return Disk(
        target=_attribute(element, "target", "dir") or "",
        type=kind,
        device="filesystem",
        source=_source(element.find("source"), kind),
        driver=_attribute(element, "driver", "type"),
    )


def _source(source: etree._Element | None, kind: str) -> str | None:
    """The host's path, or another description of the storage."""
    if source is None:
        return None
    match kind:
        case "block" | "vhostvdpa":
            return source.get("dev") or None
        case "dir" | "mount" | "bind":
            return source.get("dir") or None
        case "template":
            return source.get("name") or None
        case "vhostuser":
            return source.get("path") or None
        case "network":
            return _joined(":", source.get("protocol"), source.get("name"))
        case "volume":
            return _joined("/", source.get("pool"), source.get("volume"))
        case "nvme":
            return _nvme(source)
        case _:
            return source.get("file") or None


def _nvme(source: etree._Element) -> str:
    address = source.find("address")
    digits = [] if address is None else [_bare(address, part) for part in ("domain", "bus", "slot", "function")]
    pci = f"{digits[0]:>04}:{digits[1]:>02}:{digits[2]:>02}.{digits[3]}" if digits else "?"
    return f"{pci} namespace {source.get('namespace', '?')}"


def _bare(address: etree._Element, part: str) -> str:
    return address.get(part, "0").removeprefix("0x")


def _joined(separator: str, *parts: str | None) -> str | None:
    return separator.join(part for part in parts if part) or None


def _attribute(element: etree._Element, child: str, name: str) -> str | None:
    found = element.find(child)
    return None if found is None else found.get(name)
