"""The disks of a QEMU command line: what -device, -drive and -blockdev, -hda and -cdrom define together."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from vmiostat.discovery.vmm.qemu.block_nodes import UNKNOWN, Storage, files_beneath, storage, storage_called
from vmiostat.discovery.vmm.qemu.options import Values, values
from vmiostat.model import Disk

_SHORT = {"hda": 0, "hdb": 1, "hdc": 2, "hdd": 3, "": 0}
"""Options that stand for -drive index=N; an image without any option is the first disk, too."""
_REMOVABLE = {"ide-cd": "cdrom", "scsi-cd": "cdrom", "floppy": "floppy"}
_PASSED_THROUGH = frozenset({"scsi-block", "scsi-generic"})
_PMEM = ("pmem", "memdev")
_OUTSIDE_QEMU = {
    "vhost-user-blk": ("vhostuser", "chardev"),
    "vhost-user-scsi": ("vhostuser", "chardev"),
    "vhost-scsi": ("vhostscsi", "wwpn"),
    "vhost-vdpa-device": ("vdpa", "vhostdev"),
    "vfio-user": ("vfiouser", "socket.path"),
    "virtio-pmem": _PMEM,
    "nvdimm": _PMEM,
}
"""Devices whose requests QEMU does not see: the type of the disk, and the property that names its source."""
_FIRMWARE = frozenset({"pflash", "mtd"})
_FLASH_CHIPS = ("pflash0", "pflash1")
_FORMATS = frozenset({"raw", "qcow2"})
"""Drivers that an empty drive may name."""
_UNITS = {"ide": 2, "scsi": 7}
"""Units on a bus that the machine has by default."""


@dataclass(slots=True)
class BlockOptions:
    """The options of a command line that define disks, in order."""

    nodes: dict[str, Values] = field(default_factory=dict)
    drives: list[Values] = field(default_factory=list)
    devices: list[Values] = field(default_factory=list)
    memory: dict[str, str] = field(default_factory=dict)
    """The file of each memory backend."""

    def add(self, name: str, text: str) -> None:
        """Takes an option if it is one of these."""
        match name:
            case "blockdev":
                node = values(text, "driver")
                self.nodes[node.get("node-name", "")] = node
            case "drive":
                self.drives.append(values(text))
            case "device":
                self.devices.append(values(text, "driver"))
            case "object":
                found = values(text, "qom-type")
                if "id" in found and "mem-path" in found:
                    self.memory[found["id"]] = found["mem-path"]
            case "cdrom":
                self.drives.append({"file": text, "if": "ide", "index": "2", "media": "cdrom"})
            case "fda" | "fdb":
                self.drives.append({"file": text, "if": "floppy", "index": str("ab".index(name[2]))})
            case "sd" | "pflash" | "mtdblock":
                self.drives.append({"file": text, "if": {"mtdblock": "mtd"}.get(name, name)})
            case _ if name in _SHORT:
                self.drives.append({"file": text, "index": str(_SHORT[name])})


def disks(options: BlockOptions, *, units: int = 2) -> Iterator[tuple[Disk, bool]]:
    """Each disk, named after its -device, else its -drive, and whether it is read-only for the guest.

    Targets are the names in QEMU's monitor: virtio-disk0, scsi0-0-0-0, drive-scsi0, ide1-cd0. `units` is the number of
    units on an IDE bus of the machine.
    """
    names = dict(_drive_names(options.drives, units))
    by_name = {names[position]: drive for position, drive in enumerate(options.drives) if position in names}
    seen: set[str] = set()
    for device in options.devices:
        read_only = False
        driver = device.get("driver", "")
        reference = device.get("drive")
        target = device.get("id") or reference or driver
        if not target:
            continue
        if outside := _outside_qemu(driver):
            kind, key = outside
            source = device.get(key)
            found = Disk(target, kind, source=options.memory.get(source or "", source), driver="qemu")
        elif reference is not None:
            drive = by_name.pop(reference, None)
            found = _of_reference(target, driver, reference, drive, options.nodes)
            read_only = _is_read_only(drive or options.nodes.get(reference, {}))
        elif driver in _REMOVABLE:
            found = Disk(target, "file", _REMOVABLE[driver], driver="qemu")
        else:
            continue
        if found.target not in seen:
            seen.add(found.target)
            yield found, read_only
    for name, drive in by_name.items():
        if name not in seen and drive.get("if") not in _FIRMWARE:
            kind = "floppy" if drive.get("if") == "floppy" else drive.get("media", "disk")
            yield _disk(name, kind, _of_drive(drive, options.nodes)), _is_read_only(drive)


def beneath(options: BlockOptions, machine: Values) -> Iterator[str]:
    """Files that are opened but are not disks: backing files, a quorum's children, firmware, memory.

    Firmware is a drive of its own kind, or a node that the machine's options refer to (-machine pflash0=NODE).
    """
    for node in (*options.nodes.values(), *options.drives):
        yield from files_beneath(node, options.nodes)
    firmware = [_of_drive(drive, options.nodes)[1] for drive in options.drives if drive.get("if") in _FIRMWARE]
    firmware += [storage(options.nodes.get(machine.get(chip, ""), {}), options.nodes)[1] for chip in _FLASH_CHIPS]
    yield from filter(None, firmware)
    for device in options.devices:
        if _outside_qemu(device.get("driver", "")) == _PMEM and device.get("memdev") in options.memory:
            yield options.memory[device["memdev"]]


def _outside_qemu(driver: str) -> tuple[str, str] | None:
    """vhost-user-blk-pci is vhost-user-blk on a PCI bus."""
    return next((_OUTSIDE_QEMU[name] for name in _OUTSIDE_QEMU if f"{driver}-".startswith(f"{name}-")), None)


def _is_read_only(node: Values) -> bool:
    return "on" in (node.get("read-only"), node.get("readonly"))


def _of_reference(target: str, driver: str, reference: str, drive: Values | None, nodes: Mapping[str, Values]) -> Disk:
    kind = _REMOVABLE.get(driver) or ("lun" if driver in _PASSED_THROUGH else "disk")
    if drive is not None:
        return _disk(target, drive.get("media", kind) if kind == "disk" else kind, _of_drive(drive, nodes))
    return _disk(target, kind, storage(nodes[reference], nodes) if reference in nodes else UNKNOWN)


def _of_drive(drive: Values, nodes: Mapping[str, Values]) -> Storage:
    if drive.get("file"):
        return storage_called(drive["file"], nodes)
    # The storage may also be described by its driver's options: file.driver=..., driver=nbd,host=...
    is_empty = drive.get("driver", "raw") in _FORMATS and not any("." in key or key == "filename" for key in drive)
    return ("file", None) if is_empty else storage(drive, nodes)


def _disk(target: str, kind: str, found: Storage) -> Disk:
    if found == UNKNOWN:
        return Disk(target, "unknown", kind, driver="qemu", reason="the command line does not show its storage")
    return Disk(target, found[0], kind, found[1], driver="qemu")


def _drive_names(drives: Iterable[Values], units: int) -> Iterator[tuple[int, str]]:
    """The position of each drive and its name: its id, or the one that QEMU derives from its interface and index."""
    following: dict[str, int] = {}
    for position, drive in enumerate(drives):
        interface = drive.get("if", "ide")
        on_a_bus = units if interface == "ide" else _UNITS.get(interface, 0)
        index = _number(drive.get("index")) if "unit" not in drive else _number(drive["unit"])
        if "bus" in drive and index is not None:
            index += (_number(drive["bus"]) or 0) * max(on_a_bus, 1)
        index = following.get(interface, 0) if index is None else index
        following[interface] = index + 1
        media = ("cd" if drive.get("media") == "cdrom" else "hd") if on_a_bus else ""
        unit = f"{index // on_a_bus}-{media}{index % on_a_bus}" if on_a_bus else str(index)
        yield position, drive.get("id") or f"{interface}{unit}"


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 6 else None
