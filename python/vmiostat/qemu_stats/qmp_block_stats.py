"""Converts what query-blockstats and query-named-block-nodes return to the fields of BlockStats.

https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html. Any value may be missing or of another type, because QEMU is
old or because a guest has taken it over. Invalid numbers are left out.
"""

from collections.abc import Container, Iterator, Mapping
from typing import Any, NamedTuple

Counters = dict[str, int]

_REQUESTS = {
    "rd_req": "rd_operations",
    "rd_bytes": "rd_bytes",
    "wr_req": "wr_operations",
    "wr_bytes": "wr_bytes",
    "fl_req": "flush_operations",
    "ds_req": "unmap_operations",
    "ds_bytes": "unmap_bytes",
    "rd_time": "rd_total_time_ns",
    "wr_time": "wr_total_time_ns",
    "fl_time": "flush_total_time_ns",
    "ds_time": "unmap_total_time_ns",
    "rd_merged": "rd_merged",
    "wr_merged": "wr_merged",
    "ds_merged": "unmap_merged",
    "rd_failed": "failed_rd_operations",
    "wr_failed": "failed_wr_operations",
    "fl_failed": "failed_flush_operations",
    "ds_failed": "failed_unmap_operations",
    "rd_invalid": "invalid_rd_operations",
    "wr_invalid": "invalid_wr_operations",
    "fl_invalid": "invalid_flush_operations",
    "ds_invalid": "invalid_unmap_operations",
    "wr_highest": "wr_highest_offset",
}
"""Fields and the members of BlockDeviceStats. QEMU has counted discards since 4.1, and their merges since 5.1."""

_INT64_MAX = (1 << 63) - 1
_MAX_DEPTH = 16
"""Nodes between a disk and its file: a format, and perhaps filters."""
_MAX_NAME = 255
_MAX_PATH = 4096
_PERIPHERAL = "/machine/peripheral/"


class DiskStats(NamedTuple):
    """What query-blockstats returned of a disk."""

    counters: Counters
    image: str
    """Its block node; empty for an empty drive."""
    file: str
    """The node of the file or device that contains it."""

    def with_sizes(self, sizes: Mapping[str, Counters]) -> Counters:
        """Its counters with the sizes of its nodes."""
        image, storage = sizes.get(self.image, {}), sizes.get(self.file, {})
        # As in libvirt, the physical size of a device, or of a file with nothing allocated, is its length.
        size = {"capacity": image.get("virtual", 0), "physical": image.get("actual", 0) or storage.get("virtual", 0)}
        return self.counters | {name: number for name, number in size.items() if number}


def stats_by_name(blockstats: object, wanted: Container[str]) -> dict[str, DiskStats]:
    """The stats of the disks that query-blockstats returned, under those of QEMU's names for them that are wanted."""
    found: dict[str, DiskStats] = {}
    # The id of a device, chosen by whoever started QEMU, takes precedence over the names of its drive and node.
    for names in (_device_names, _drive_names, _node_names):
        for disk in _objects(blockstats):
            for name in names(disk):
                if name in wanted and name not in found:
                    found[name] = _stats(disk)
    return found


def stats_of_devices(blockstats: object) -> list[DiskStats]:
    """The stats of all disks that a device of the guest has."""
    return [_stats(disk) for disk in _objects(blockstats) if any(_device_names(disk)) or any(_drive_names(disk))]


def files_by_node(nodes: object) -> dict[str, str]:
    """The path that each node opens, of those that query-named-block-nodes returned."""
    named = ((node.get("node-name"), node.get("file")) for node in _objects(nodes))
    return {
        name: path
        for name, path in named
        if isinstance(name, str) and isinstance(path, str) and path.startswith("/") and len(path) <= _MAX_PATH
    }


def sizes_by_node(nodes: object) -> dict[str, Counters]:
    """The `virtual` and `actual` size of each node that query-named-block-nodes returned.

    The virtual size of an image is the size that the guest sees, that of a file its length. The actual size is the
    allocated size, and 0 for a block device.
    """
    names = {"virtual": "virtual-size", "actual": "actual-size"}
    named = ((node.get("node-name"), _object(node, "image")) for node in _objects(nodes))
    return {name: _numbers(image, names) for name, image in named if isinstance(name, str)}


def _stats(disk: dict[str, Any]) -> DiskStats:
    found = _numbers(_object(disk, "stats"), _REQUESTS)
    file = _file(disk)
    if "node-name" not in file:  # an empty drive
        return DiskStats(found, "", "")
    found |= _numbers(_object(file, "stats"), {"allocation": "wr_highest_offset"})
    return DiskStats(found, _node(disk), _node(file))


def _node(disk: dict[str, Any]) -> str:
    """Its name, of which QEMU takes 31 bytes."""
    name = disk.get("node-name")
    return name if isinstance(name, str) and len(name) <= _MAX_NAME else ""


def _file(disk: dict[str, Any]) -> dict[str, Any]:
    """The node of the file or device that contains the disk: the last of what QEMU calls its parents."""
    for _ in range(_MAX_DEPTH):
        parent = _object(disk, "parent")
        if not parent:
            break
        disk = parent
    return disk


def _device_names(disk: dict[str, Any]) -> Iterator[str]:
    """The id given to -device. QEMU returns it as it is, or in a path: /machine/peripheral/ID/virtio-backend."""
    path = disk.get("qdev")
    if isinstance(path, str) and path:
        yield path.removeprefix(_PERIPHERAL).partition("/")[0] if path.startswith(_PERIPHERAL) else path


def _drive_names(disk: dict[str, Any]) -> Iterator[str]:
    """The id given to -drive, empty with -blockdev. libvirt and Proxmox call the drive of device X drive-X."""
    name = disk.get("device")
    if isinstance(name, str) and name:
        yield name
        yield name.removeprefix("drive-")


def _node_names(disk: dict[str, Any]) -> Iterator[str]:
    name = disk.get("node-name")
    if isinstance(name, str) and name:
        yield name


def _numbers(values: dict[str, Any], names: dict[str, str]) -> Counters:
    found = ((field, values.get(member)) for field, member in names.items())
    return {field: value for field, value in found if type(value) is int and 0 <= value <= _INT64_MAX}


def _objects(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def _object(value: dict[str, Any], name: str) -> dict[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}
