"""The disks of a QEMU command line: what -device, -drive and -blockdev, -hda and -cdrom define together."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from vmiostat.discovery.vmm.qemu.block_nodes import UNKNOWN, Storage, backing_files, storage, storage_called
from vmiostat.discovery.vmm.qemu.options import Values, values
from vmiostat.model import Disk

_SHORT = {"hda": 0, "hdb": 1, "hdc": 2, "hdd": 3, "": 0}
"""Options that stand for -drive index=N; an image without any option is the first disk, too."""
_REMOVABLE = {"ide-cd": "cdrom", "scsi-cd": "cdrom", "floppy": "floppy"}
_PASSED_THROUGH = frozenset({"scsi-block", "scsi-generic"})
_FIRMWARE = frozenset({"pflash", "mtd"})
_UNITS = {"ide": 2, "scsi": 7}
"""Units on a bus that the machine has by default."""


@dataclass(slots=True)
class BlockOptions:
    """The options of a command line that define disks, in order."""

    nodes: dict[str, Values] = field(default_factory=dict)
    drives: list[Values] = field(default_factory=list)
    devices: list[Values] = field(default_factory=list)

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
        if driver.startswith("vhost-user-blk"):
            found = Disk(target, type="vhostuser", source=device.get("chardev"), driver="qemu")
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


def beneath(options: BlockOptions) -> Iterator[str]:
    """Files that are opened but are not disks: backing files, firmware."""
    for node in options.nodes.values():
        yield from backing_files(node, options.nodes)
    for drive in options.drives:
        if drive.get("if") in _FIRMWARE and (path := _of_drive(drive, options.nodes)[1]):
            yield path


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
    # Without a file, and without file.driver and the like: an empty drive.
    return storage(drive, nodes) if any(key.startswith("file.") for key in drive) else ("file", None)


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
