"""From what query-blockstats and query-named-block-nodes return to the fields of a block device's struct, disk by disk.

https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html. Every value may be missing or of another type: an old QEMU,
or one that a guest has taken over. What is no number that can be is left out.
"""

from collections.abc import Iterator, Mapping
from typing import Any

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
"""Our name of a counter, and QEMU's (BlockDeviceStats). Discards since QEMU 4.1, their merges since 5.1."""

_MOST = (1 << 63) - 1
_DEEPEST = 16
"""Nodes between a disk and its file: a format, and perhaps filters."""
_PERIPHERAL = "/machine/peripheral/"


def counters_by_name(blockstats: object, sizes: Mapping[str, Counters]) -> dict[str, Counters]:
    """The counters of each disk in what query-blockstats returned, under every name that QEMU has for it.

    `sizes` are those of the block nodes: an image is one, and so is the file or device that it is in.
    """
    disks = [(disk, _counters(disk, sizes)) for disk in _objects(blockstats)]
    found: dict[str, Counters] = {}
    # A device's id is chosen by who started QEMU, and goes before the names of what it holds.
    for names in (_device_names, _drive_names, _node_names):
        for disk, counters in disks:
            for name in names(disk):
                found.setdefault(name, counters)
    return found


def sizes_by_node(nodes: object) -> dict[str, Counters]:
    """`virtual` and `actual` size of each node in what query-named-block-nodes returned.

    The virtual size of an image is what the guest sees, that of a file its length. The actual one is of what is
    allocated, and 0 for a block device.
    """
    names = {"virtual": "virtual-size", "actual": "actual-size"}
    named = ((node.get("node-name"), _object(node, "image")) for node in _objects(nodes))
    return {name: _numbers(image, names) for name, image in named if isinstance(name, str)}


def _counters(disk: dict[str, Any], sizes: Mapping[str, Counters]) -> Counters:
    found = _numbers(_object(disk, "stats"), _REQUESTS)
    file = _file(disk)
    if "node-name" not in file:  # an empty drive
        return found
    found |= _numbers(_object(file, "stats"), {"allocation": "wr_highest_offset"})
    image, stored = (sizes.get(str(node.get("node-name")), {}) for node in (disk, file))
    # As libvirt has it: of a file in which nothing is allocated, and of a device, it is the length.
    size = {"capacity": image.get("virtual", 0), "physical": image.get("actual", 0) or stored.get("virtual", 0)}
    return found | {name: number for name, number in size.items() if number}


def _file(disk: dict[str, Any]) -> dict[str, Any]:
    """The node of the file or device that the disk is in: what QEMU calls its parent, or that one's."""
    for _ in range(_DEEPEST):
        parent = _object(disk, "parent")
        if not parent:
            break
        disk = parent
    return disk


def _device_names(disk: dict[str, Any]) -> Iterator[str]:
    """The id that -device was given. QEMU tells it bare, or as its path: /machine/peripheral/ID/virtio-backend."""
    path = disk.get("qdev")
    if isinstance(path, str) and path:
        yield path.removeprefix(_PERIPHERAL).partition("/")[0] if path.startswith(_PERIPHERAL) else path


def _drive_names(disk: dict[str, Any]) -> Iterator[str]:
    """The id that -drive was given: empty with -blockdev. libvirt and Proxmox call the drive of device X drive-X."""
    name = disk.get("device")
    if isinstance(name, str) and name:
        yield name
        yield name.removeprefix("drive-")


def _node_names(disk: dict[str, Any]) -> Iterator[str]:
    name = disk.get("node-name")
    if isinstance(name, str) and name:
        yield name


def _numbers(values: dict[str, Any], names: dict[str, str]) -> Counters:
    found = ((ours, values.get(theirs)) for ours, theirs in names.items())
    return {name: value for name, value in found if type(value) is int and 0 <= value <= _MOST}


def _objects(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def _object(value: dict[str, Any], name: str) -> dict[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}
