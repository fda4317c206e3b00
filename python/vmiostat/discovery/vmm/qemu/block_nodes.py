"""From a QEMU block node to what is at its end: the host's device or file, or a storage that QEMU speaks to itself.

A disk is a chain of nodes: a format (raw, qcow2) over a protocol (host_device, file, rbd), with filters between them.
-blockdev names each; -drive makes them of a file name. Their options are in QEMU's qapi/block-core.json.
"""

import re
from collections.abc import Iterator, Mapping

from vmiostat.discovery.vmm.qemu.options import Values, below, values

Storage = tuple[str, str | None]
"""A disk's type in libvirt's words, and its source."""

UNKNOWN: Storage = ("", None)

_LONGEST_CHAIN = 16

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
_CREDENTIALS = re.compile(r"//[^/@]*@")


def storage(node: Values, nodes: Mapping[str, Values]) -> Storage:
    """What a node's chain ends with."""
    for _ in range(_LONGEST_CHAIN):
        driver = node.get("driver", "")
        if driver in _FILES and "filename" in node:
            return _FILES[driver], node["filename"]
        if driver in _OTHERS:
            kind, keys, between = _OTHERS[driver]
            return kind, _joined(node, keys, between)
        if driver in _NETWORK:
            return "network", _without_credentials(f"{driver}:{_joined(node, _NETWORK[driver], '/')}")
        if driver in _EMPTY:
            return "null", driver
        beneath = below(node, "file") or nodes.get(node.get("file", ""))
        if beneath is None:
            return driver, None
        node = beneath
    return UNKNOWN


def backing_files(node: Values, nodes: Mapping[str, Values]) -> Iterator[str]:
    """What a node, or one that is written inside it, was made over. The other nodes have theirs themselves."""
    for _ in range(_LONGEST_CHAIN):
        inside = below(node, "backing")
        backing = inside or nodes.get(node.get("backing", ""))
        if backing is not None and (source := storage(backing, nodes)[1]) is not None:
            yield source
        node = inside or below(node, "file")
        if not node:
            return


def storage_called(name: str, nodes: Mapping[str, Values]) -> Storage:
    """What is behind the file name of a -drive: a path, or a protocol's own way to write an image's name."""
    if name.startswith("json:"):
        return storage(values(name.removeprefix("json:")), nodes)
    protocol = _PROTOCOL.match(name)
    # A path that has a colon in it is written with a slash before that, or after file:.
    word = protocol[1] if protocol else ""
    rest = name[protocol.end() :] if protocol else name
    if word in _NETWORK:
        # rbd:pool/image:id=admin:key=... ends with how to log in.
        return "network", f"rbd:{rest.partition(':')[0]}" if word == "rbd" else _without_credentials(name)
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


def _without_credentials(name: str) -> str:
    return _CREDENTIALS.sub("//", name)
