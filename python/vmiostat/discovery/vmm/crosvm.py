"""A virtual machine from the command line of its crosvm: crosvm run --name web1 --block path=... --net tap-name=..."""

from collections.abc import Iterator, Sequence

from vmiostat.discovery.vmm.command_line import CommandLine, Netdev
from vmiostat.discovery.vmm.qemu.options import values
from vmiostat.disk_source import without_secrets
from vmiostat.model import Disk

DRIVER = "crosvm"

_DISKS = frozenset(("block", "disk", "rwdisk", "root", "rwroot", "qcow", "rwqcow"))
"""All but the first are older spellings, whose value begins with the path."""
_SHORT = {"-s": "socket", "-d": "disk"}


def command_line(arguments: Sequence[str]) -> CommandLine | None:
    """The machine that it starts; None for crosvm's other commands, which control a running one."""
    if "run" not in arguments[1:]:
        return None
    names: dict[str, str] = {}
    disks: dict[str, Disk] = {}
    netdevs: list[Netdev] = []
    for name, text in _options(arguments):
        if name in _DISKS and (path := values(text, "path").get("path")):
            disks[path] = Disk(
                without_secrets(path), "block" if path.startswith("/dev/") else "file", source=path, driver=DRIVER
            )
        elif name in ("net", "tap-name"):
            net = values(text, "tap-name")
            mac = net.get("mac", "").lower() or None
            netdevs.append(Netdev(f"net{len(netdevs)}", mac=mac, interface=net.get("tap-name")))
        elif name in ("name", "socket"):
            names[name] = text
    called = names.get("name") or names.get("socket")
    return CommandLine(name=called, type="kvm", disks=tuple(disks.values()), netdevs=tuple(netdevs))


def _options(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(name, value). The word after an option without a value is yielded as its value and on its own."""
    for word, following in zip(arguments[1:], [*arguments[2:], ""], strict=False):
        name, equals, value = word.partition("=")
        if name.startswith("--"):
            yield name[2:], value if equals else following
        elif word in _SHORT:
            yield _SHORT[word], following
