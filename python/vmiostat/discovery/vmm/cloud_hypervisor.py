"""A virtual machine from the command line of its cloud-hypervisor.

Its only name is the path of its API socket; --disk and --net each take several values of key=value,...
"""

from collections.abc import Iterable, Iterator, Sequence

from vmiostat.discovery.vmm.command_line import CommandLine, Netdev
from vmiostat.discovery.vmm.configurations import Configurations
from vmiostat.discovery.vmm.pci_devices import pci_address
from vmiostat.discovery.vmm.qemu.options import Values, values
from vmiostat.disk_source import without_secrets
from vmiostat.model import Disk

DRIVER = "cloud-hypervisor"

_OTHERS = {"pmem": ("pmem", "file"), "vdpa": ("vdpa", "path"), "user-device": ("vfiouser", "socket")}
"""Options that give a guest another kind of disk: its type, and the key that names its source."""


def command_line(arguments: Sequence[str], _: Configurations | None = None) -> CommandLine:
    """The machine that it starts; only a socket where the machine is created later, through the API."""
    found = list(_options(arguments))
    sockets = [values(text, "path").get("path") for name, text in found if name == "api-socket"]
    return CommandLine(
        name=next(filter(None, sockets), None),
        uuid=None,
        type="kvm",
        disks=(
            *(_disk(values(text, "path"), index) for index, text in enumerate(_all(found, "disk"))),
            *(_other(values(text), name, index) for name in _OTHERS for index, text in enumerate(_all(found, name))),
        ),
        netdevs=tuple(_netdev(values(text), index) for index, text in enumerate(_all(found, "net"))),
        pci_devices=tuple(_pci_devices(values(text) for text in _all(found, "device"))),
        beneath=tuple(filter(None, (values(text).get("file") for text in _all(found, "pmem")))),
    )


def _options(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(name, value), once for each value."""
    name = ""
    for word in arguments[1:]:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            if equals:
                yield name, value
        elif name:
            yield name, word


def _all(found: list[tuple[str, str]], name: str) -> list[str]:
    return [text for option, text in found if option == name]


def _disk(disk: Values, index: int) -> Disk:
    path = disk.get("path")
    if disk.get("vhost_user") in ("on", "true"):
        return Disk(disk.get("id", f"disk{index}"), type="vhostuser", source=disk.get("socket"), driver=DRIVER)
    kind = "block" if path is not None and path.startswith("/dev/") else "file"
    return Disk(disk.get("id") or without_secrets(path or f"disk{index}"), kind, source=path, driver=DRIVER)


def _pci_devices(devices: Iterable[Values]) -> Iterator[tuple[str, str]]:
    for device in devices:
        if address := pci_address(device.get("path", "")):
            yield device.get("id") or address, address


def _other(device: Values, option: str, index: int) -> Disk:
    kind, key = _OTHERS[option]
    return Disk(device.get("id", f"{option}{index}"), kind, source=device.get(key), driver=DRIVER)


def _netdev(net: Values, index: int) -> Netdev:
    passed = net.get("fd", "").strip("[]")
    return Netdev(
        id=net.get("id", f"net{index}"),
        type="vhostuser" if net.get("vhost_user") in ("on", "true") else "tap",
        mac=net.get("mac", "").lower() or None,
        interface=net.get("tap"),
        descriptors=(int(passed),) if passed.isascii() and passed.isdecimal() and len(passed) < 9 else (),
    )
