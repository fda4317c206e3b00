"""The host interface of a guest's network card by the card's MAC address, without access to the VMM's descriptors.

libvirt gives a tap the guest's address with the first byte fe (virNetDevTapCreateInBridgePort), and a macvtap the
guest's own. Both can be read by anyone in /sys/class/net/NAME/address.
"""

from collections import defaultdict

from vmiostat._core import Roots
from vmiostat.errors import SourceError
from vmiostat.system.netns import NetworkNamespaces

_MARKS = {"ethernet": "tun_flags", "direct": "macvtap"}
"""A file that only a tap's folder in sysfs has, and one that only a macvtap's has."""
_LENGTH = len("52:54:00:00:00:01")


class InterfaceByMac:
    """The interfaces of the machine's own network namespace, read at the first `find`."""

    def __init__(self, namespaces: NetworkNamespaces, roots: Roots) -> None:
        self._namespaces = namespaces
        self._roots = roots
        self._names: dict[str, list[str]] | None = None

    def find(self, mac: str | None) -> tuple[str, str] | None:
        """Name and type (ethernet, direct) of the only interface that fits; None if none or several do."""
        if mac is None or len(mac) != _LENGTH:
            return None
        if self._names is None:
            self._names = self._by_address()
        named = [(name, "ethernet") for name in self._names.get(f"fe{mac[2:]}", ())]
        named += [(name, "direct") for name in self._names.get(mac, ())]
        found = [(name, kind) for name, kind in named if self._roots.exists(f"/sys/class/net/{name}/{_MARKS[kind]}")]
        return found[0] if len(found) == 1 else None

    def _by_address(self) -> dict[str, list[str]]:
        names = defaultdict(list)
        try:
            for name in self._namespaces.interfaces():
                # None: it is gone, or /sys shows another namespace.
                address = self._roots.read_or_none(f"/sys/class/net/{name}/address")
                if address is not None:
                    names[address.decode("ascii", "replace").strip()].append(name)
        except SourceError:  # reported where the interfaces are resolved
            pass
        return dict(names)
