"""The lab's network namespace: a bridge, and a veth pair that macvtaps stand on.

A guest's interface number N has the address 10.91.N.1, and the host's end answers at 10.91.N.254.
"""

import zlib
from pathlib import Path

from lab.command import ip, run
from lab.kvm.place import Place

BRIDGE, LOWER, PEER, ETHERNET = "kbr0", "klower0", "kpeer0", "keth0"


def make(place: Place) -> None:
    """Makes what is not there yet. Raises LabError."""
    name = place.name
    if not place.namespace.exists():
        run("ip", "netns", "add", name)
    if BRIDGE in _links(name):
        return
    quiet(place.namespace)
    _begin_far_above(name)
    ip(
        name,
        [
            "link set lo up",
            f"link add {LOWER} type veth peer name {PEER}",
            f"addr add 10.91.2.254/24 dev {PEER}",
            f"link set {LOWER} up",
            f"link set {PEER} up",
            f"link add {BRIDGE} type bridge",
            f"addr add 10.91.0.254/24 dev {BRIDGE}",
            f"addr add 10.91.3.254/24 dev {BRIDGE}",
            f"link set {BRIDGE} up",
        ],
    )


def quiet(namespace: Path) -> None:
    """Nobody but the tests is to send anything in a namespace, so that counters stand still when tests do."""
    off = "for scope in all default; do echo 1 > /proc/sys/net/ipv6/conf/$scope/disable_ipv6; done"
    run("nsenter", f"--net={namespace}", "--", "sh", "-c", f"[ ! -d /proc/sys/net/ipv6 ] || {{ {off}; }}")


def _begin_far_above(name: str) -> None:
    """Lets the namespace's interfaces be numbered from somewhere between 400 and 2000, each lab's from elsewhere.

    A macvtap's device node is /dev/tapN, where N is its number in its network namespace, and /dev is the same for all
    of them: two namespaces' macvtaps of one number take the node from each other.
    """
    pairs = range(200 + zlib.crc32(name.encode()) % 800)
    ip(name, [f"link add one{pair} group 7 type veth peer name other{pair} group 7" for pair in pairs])
    ip(name, ["link del group 7"])


def address_ethernet(place: Place) -> None:
    """Gives the host's end of the rich guest's ethernet interface its address: libvirt only makes the tap."""
    ip(place.name, [f"link set {ETHERNET} up", f"addr replace 10.91.1.254/24 dev {ETHERNET}"])


def remove(place: Place) -> None:
    """Removes the namespace, and with it all that is in it."""
    if place.namespace.exists():
        if BRIDGE in _links(place.name):  # before the name goes: the kernel clears a namespace up some time later
            ip(place.name, [f"link del {BRIDGE}", f"link del {LOWER}"])
        run("ip", "netns", "del", place.name)


def links(place: Place) -> list[str]:
    """The interfaces in the namespace."""
    return _links(place.name)


def has_link(name: str, link: str) -> bool:
    """Whether a network namespace has this interface."""
    return link in _links(name)


def _links(name: str) -> list[str]:
    listed = run("ip", "-n", name, "-brief", "link").splitlines()
    return [line.split()[0].partition("@")[0] for line in listed if line.strip()]


def has_tun() -> bool:
    """Whether taps can be made."""
    return Path("/dev/net/tun").exists()
