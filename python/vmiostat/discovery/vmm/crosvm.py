"""A virtual machine from the command line of its crosvm: crosvm run --name web1 --block path=... --net tap-name=..."""

from collections.abc import Iterator, Sequence

from vmiostat.discovery.vmm.command_line import CommandLine, Netdev
from vmiostat.discovery.vmm.configurations import Configurations
from vmiostat.discovery.vmm.pci_devices import pci_address
from vmiostat.discovery.vmm.qemu.options import values
from vmiostat.disk_source import without_secrets
from vmiostat.model import Disk

DRIVER = "crosvm"

_DISKS = frozenset(("block", "disk", "rwdisk", "root", "rwroot", "qcow", "rwqcow", "scsi-block"))
"""Most are older spellings of `block`, whose value begins with the path."""
_PMEM = frozenset(("pmem", "pmem-device", "rw-pmem-device", "pmem-ext2"))
_VHOST_USER = {"vhost-user-blk": "block", "vhost-user-net": "net"}
"""Older spellings of `vhost-user`, with its type."""
_NETS = {"net": "tap-name", "tap-name": "tap-name", "tap-fd": "tap-fd", "host-ip": "host-ip"}
"""All but the first are older spellings, with the key that their value stands for."""
_SHORT = {"-s": "socket", "-b": "block", "-d": "disk", "-r": "root", "-q": "qcow"}


def command_line(arguments: Sequence[str], files: Configurations | None = None) -> CommandLine | None:
    """The machine that it starts; None for crosvm's other commands, which control a running one."""
    if "run" not in arguments[1:]:
        return None
    names: dict[str, str] = {}
    disks: dict[str, Disk] = {}
    netdevs: list[Netdev] = []
    beneath: list[str] = []
    pci_devices: list[tuple[str, str]] = []
    for name, text in _options(arguments):
        if name in _DISKS and (path := values(text, "path").get("path")):
            disks[path] = _disk(path, "block" if path.startswith("/dev/") else "file")
        elif name in _PMEM and (path := values(text, "path").get("path")):
            disks[path] = _disk(path, "pmem")
            beneath.append(path)
        elif name == "pflash" and (path := values(text).get("path")):
            beneath.append(path)
        elif name in _NETS:
            netdevs.append(_netdev(values(text, _NETS[name]), len(netdevs)))
        elif name == "vhost-user" or name in _VHOST_USER:
            found = values(text, "type" if name == "vhost-user" else "socket")
            kind, socket = found.get("type", _VHOST_USER.get(name)), found.get("socket") or name
            if kind in ("block", "scsi"):
                disks[socket] = _disk(socket, "vhostuser")
            elif kind == "net":
                netdevs.append(Netdev(socket, "vhostuser"))
        elif name == "vfio" and (address := pci_address(values(text, "path").get("path", ""))):
            pci_devices.append((address, address))
        elif name == "cfg" and files is not None:
            files.refuse(text, "crosvm's configuration files are not read")
        elif name in ("name", "socket"):
            names[name] = text
    return CommandLine(
        name=names.get("name") or names.get("socket"),
        type="kvm",
        disks=tuple(disks.values()),
        netdevs=tuple(netdevs),
        beneath=tuple(beneath),
        pci_devices=tuple(pci_devices),
        unread=() if files is None else tuple(files.unread),
    )


def _disk(source: str, kind: str) -> Disk:
    return Disk(without_secrets(source), kind, source=source, driver=DRIVER)


def _netdev(net: dict[str, str], index: int) -> Netdev:
    passed = net.get("tap-fd", "")
    return Netdev(
        f"net{index}",
        mac=net.get("mac", "").lower() or None,
        interface=net.get("tap-name"),
        descriptors=(int(passed),) if passed.isascii() and passed.isdecimal() and len(passed) < 9 else (),
    )


def _options(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(name, value). The word after an option without a value is yielded as its value and on its own."""
    for word, following in zip(arguments[1:], [*arguments[2:], ""], strict=False):
        name, equals, value = word.partition("=")
        if name.startswith("--"):
            yield name[2:], value if equals else following
        elif word in _SHORT:
            yield _SHORT[word], following
