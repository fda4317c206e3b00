"""A virtual machine from the command line of its Firecracker: its id, and the file that describes its devices.

Without a file they are configured through its API.
"""

import json
from collections.abc import Sequence
from typing import Any

from vmiostat.discovery.vmm.command_line import CommandLine, Netdev
from vmiostat.discovery.vmm.configurations import Configurations
from vmiostat.model import Disk

DRIVER = "firecracker"

Part = dict[str, Any]
"""A JSON object of the file."""

_DEFAULT = "anonymous-instance"


def command_line(arguments: Sequence[str], files: Configurations | None = None) -> CommandLine:
    """The machine that it starts.

    >>> command_line(["/firecracker", "--id", "web1", "--api-sock", "/run/firecracker.socket"]).name
    'web1'
    """
    found: dict[str, str] = {}
    for word, following in zip(arguments[1:], [*arguments[2:], ""], strict=False):
        option, equals, value = word.partition("=")
        found[option] = value if equals else following
    name, path = found.get("--id"), found.get("--config-file")
    described = _described(path, files) if path and files is not None else {}
    disks = [_disk(drive) for drive in _parts(described, "drives")]
    disks += [_pmem(device, index) for index, device in enumerate(_parts(described, "pmem"))]
    return CommandLine(
        name=None if name == _DEFAULT else name or None,
        type="kvm",
        disks=tuple(disks),
        read_only=frozenset(_id(drive) for drive in _parts(described, "drives") if drive.get("is_read_only") is True),
        netdevs=tuple(_netdev(card, index) for index, card in enumerate(_parts(described, "network-interfaces"))),
        beneath=tuple(disk.source for disk in disks if disk.type == "pmem" and disk.source),
        unread=() if files is None else tuple(files.unread),
    )


def _described(path: str, files: Configurations) -> Part:
    text = files.read(path)
    try:
        described = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        described = None
    if isinstance(described, dict):
        return described
    files.refuse(path, "it is no JSON object")
    return {}


def _parts(described: Part, key: str) -> list[Part]:
    parts = described.get(key)
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []


def _text(part: Part, key: str) -> str | None:
    text = part.get(key)
    return text if isinstance(text, str) and text else None


def _id(drive: Part) -> str:
    return _text(drive, "drive_id") or "drive"


def _disk(drive: Part) -> Disk:
    target = _id(drive)
    if socket := _text(drive, "socket"):
        return Disk(target, "vhostuser", source=socket, driver=DRIVER)
    path = _text(drive, "path_on_host")
    return Disk(target, "block" if path and path.startswith("/dev/") else "file", source=path, driver=DRIVER)


def _pmem(device: Part, index: int) -> Disk:
    return Disk(_text(device, "id") or f"pmem{index}", "pmem", source=_text(device, "path_on_host"), driver=DRIVER)


def _netdev(card: Part, index: int) -> Netdev:
    mac = _text(card, "guest_mac")
    return Netdev(
        id=_text(card, "iface_id") or f"net{index}",
        mac=mac.lower() if mac else None,
        interface=_text(card, "host_dev_name"),
    )
