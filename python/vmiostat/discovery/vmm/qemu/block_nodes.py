"""What is at the end of a chain of QEMU block nodes: a device or file of the host, or storage that QEMU connects to.

A disk is a chain of nodes: a format (raw, qcow2) over a protocol (host_device, file, rbd), with filters in between.
-blockdev defines each node; -drive derives them from a file name. The options are in QEMU's qapi/block-core.json.
"""

import re
from collections.abc import Iterator, Mapping

from vmiostat.discovery.vmm.qemu.options import Values, below, values

Storage = tuple[str, str | None]
"""A disk's type in libvirt's terms, and its source."""

UNKNOWN: Storage = ("", None)

_MAX_CHAIN = 16

_FILES = {"file": "file", "host_device": "block", "host_cdrom": "block"}
_OTHERS = {
    "nvme": ("nvme", ("device", "namespace"), " namespace "),
    "nvme-io_uring": ("nvme", ("path",), ""),
    "virtio-blk-vfio-pci": ("nvme", ("path",), ""),
    "virtio-blk-vhost-user": ("vhostuser", ("path",), ""),
    "virtio-blk-vhost-vdpa": ("vhostvdpa", ("path",), ""),
    "vvfat": ("dir", ("dir",), ""),
}
_NETWORK = {
    "rbd": ("pool", "namespace", "image"),
    "nbd": ("server.host", "server.path", "host", "path", "export"),
    "iscsi": ("portal", "target", "lun"),
    "gluster": ("volume", "path"),
    "nfs": ("server.host", "path"),
    "ssh": ("server.host", "path"),
    "http": ("url",),
    "https": ("url",),
    "ftp": ("url",),
    "ftps": ("url",),
    "vxhs": ("server.host", "vdisk-id"),
    "sheepdog": ("vdi",),
}
_EMPTY = frozenset({"null-co", "null-aio"})

_PROTOCOL = re.compile(r"([a-z][a-z0-9_-]*)(\+[a-z]+)?:")


def storage(node: Values, nodes: Mapping[str, Values]) -> Storage:
    """The storage at the end of a node's chain."""
    for _ in range(_MAX_CHAIN):
        driver = node.get("driver", "")
        if driver in _FILES and "filename" in node:
            return _FILES[driver], node["filename"]
        if driver in _OTHERS:
            kind, keys, between = _OTHERS[driver]
            return kind, _joined(node, keys, between)
        if driver in _NETWORK:
            return "network", f"{driver}:{_joined(node, _NETWORK[driver], '/')}"
        if driver in _EMPTY:
            return "null", driver
        beneath = below(node, "file") or nodes.get(node.get("file", ""))
        if beneath is None:
            return driver, None
        node = beneath
    return UNKNOWN


def backing_files(node: Values, nodes: Mapping[str, Values]) -> Iterator[str]:
    """The backing files of a node and of the nodes defined inside it, not of nodes that it refers to."""
    for _ in range(_MAX_CHAIN):
        inside = below(node, "backing")
        backing = inside or nodes.get(node.get("backing", ""))
        if backing is not None and (source := storage(backing, nodes)[1]) is not None:
            yield source
        node = inside or below(node, "file")
        if not node:
            return


def storage_called(name: str, nodes: Mapping[str, Values]) -> Storage:
    """The storage that the file name of a -drive stands for: a path, or an image in a protocol's own notation."""
    if name.startswith("json:"):
        return storage(values(name.removeprefix("json:")), nodes)
    protocol = _PROTOCOL.match(name)
    # A path with a colon has a slash before it, or is written after file:.
    word = protocol[1] if protocol else ""
    rest = name[protocol.end() :] if protocol else name
    if word in _NETWORK:
        return "network", name
    if word in _EMPTY:
        return "null", word
    if word == "nvme":
        device, _, namespace = rest.removeprefix("//").partition("/")
        return "nvme", f"{device} namespace {namespace}"
    if word == "fat":
        return "dir", rest.rpartition(":")[2]
    path = rest if word in _FILES else name
    return "block" if path.startswith("/dev/") else "file", path


def _joined(node: Values, keys: tuple[str, ...], between: str) -> str:
    return between.join(node[key] for key in keys if node.get(key))
