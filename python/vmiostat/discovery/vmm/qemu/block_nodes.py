"""What is at the end of a chain of QEMU block nodes: a device or file of the host, or storage that QEMU connects to.

A disk is a chain of nodes: a format (raw, qcow2) over a protocol (host_device, file, rbd), with filters in between. Two
of them branch: a quorum has several children, and a qcow2 may keep its data in another file than its tables.
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
    "virtio-blk-vhost-vdpa": ("vhostvdpa", ("path",), ""),
    "vvfat": ("dir", ("dir",), ""),
}
_NETWORK = {
    "rbd": ("pool", "namespace", "image"),
    "virtio-blk-vhost-user": ("path",),
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

_CHILDREN = ("data-file", "file", "image", "test")
"""Where a chain goes on; `image` in blkdebug and blkreplay, `test` in blkverify."""
_FDSET = "/dev/fdset/"
"""A file name that stands for a descriptor, which was handed over (-add-fd)."""

_PROTOCOL = re.compile(r"([a-z][a-z0-9_-]*)(\+[a-z]+)?:")


def storage(node: Values, nodes: Mapping[str, Values], *, inside_quorum: bool = False) -> Storage:
    """The storage at the end of a node's chain."""
    for _ in range(_MAX_CHAIN):
        driver = node.get("driver", "")
        if "filename" in node and driver in ("", *_FILES):
            return _FILES.get(driver) or _kind(node["filename"]), node["filename"]
        if driver in _OTHERS:
            kind, keys, between = _OTHERS[driver]
            return kind, _joined(node, keys, between)
        if driver in _NETWORK:
            return "network", f"{driver}:{_joined(node, _NETWORK[driver], '/')}"
        if driver in _EMPTY:
            return "null", driver
        if driver == "quorum" and not inside_quorum:
            children = (storage(child, nodes, inside_quorum=True)[1] for child in _quorum(node, nodes))
            return driver, ", ".join(child or "?" for child in children)
        beneath = next(filter(None, (_child(node, key, nodes) for key in _CHILDREN)), None)
        if beneath is None:
            return UNKNOWN
        node = beneath
    return UNKNOWN


def is_handed_over(path: str) -> bool:
    """Whether a file's path stands for a descriptor."""
    return path.startswith(_FDSET)


def files_beneath(node: Values, nodes: Mapping[str, Values]) -> Iterator[str]:
    """What a node and those defined inside it open besides their storage: backing files, a quorum's children.

    Not what nodes open that it refers to.
    """
    for _ in range(_MAX_CHAIN):
        parts = [*_quorum(node, nodes), _child(node, "backing", nodes)]
        if _child(node, "data-file", nodes):
            parts.append(_child(node, "file", nodes))
        for part in filter(None, parts):
            if source := storage(part, nodes, inside_quorum=True)[1]:
                yield source
        node = below(node, "backing") or below(node, "file")
        if not node:
            return


def _child(node: Values, key: str, nodes: Mapping[str, Values]) -> Values | None:
    """One that is defined inside the node, or that it refers to."""
    return below(node, key) or nodes.get(node.get(key, ""))


def _quorum(node: Values, nodes: Mapping[str, Values]) -> list[Values]:
    """The children of a quorum: children.0, children.1, ..."""
    if node.get("driver") != "quorum":
        return []
    keys = dict.fromkeys(".".join(key.split(".")[:2]) for key in node if key.startswith("children."))
    return [_child(node, key, nodes) or {} for key in keys]


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
    return _kind(path), path


def _kind(path: str) -> str:
    return "block" if path.startswith("/dev/") else "file"


def _joined(node: Values, keys: tuple[str, ...], between: str) -> str:
    return between.join(node[key] for key in keys if node.get(key))
