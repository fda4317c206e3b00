"""The network cards of a QEMU command line: what -netdev, -nic, -net and -device define together."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from vmiostat.discovery.vmm.command_line import Netdev
from vmiostat.discovery.vmm.qemu.options import Values, below, values

_TYPES = {"bridge": "tap", "vhost-user": "vhostuser", "vhost-vdpa": "vdpa", "passt": "user", "none": "null"}
"""Types that `Interface.type` has under another name."""


@dataclass(slots=True)
class NetworkOptions:
    """The options of a command line that define network cards, in order."""

    netdevs: list[Values] = field(default_factory=list)
    cards: list[Values] = field(default_factory=list)
    old_cards: list[Values] = field(default_factory=list)
    """-net nic: the first one belongs to the first -net of another type, and so on."""
    sockets: dict[str, str] = field(default_factory=dict)
    """The path of each chardev that is a UNIX socket."""

    def add(self, name: str, text: str) -> None:
        """Takes an option if it is one of these."""
        match name:
            case "netdev":
                self.netdevs.append(values(text, "type"))
            case "nic":
                self.netdevs.append({"nic": "on", **values(text, "type")})
            case "chardev":
                found = values(text, "backend")
                if "path" in found:
                    self.sockets[found.get("id", "")] = found["path"]
            case "net" | "device":
                found = values(text, "type" if name == "net" else "driver")
                if "netdev" in found:
                    self.cards.append(found)
                elif name == "net" and found.get("type") == "nic":
                    self.old_cards.append(found)
                elif name == "net":
                    self.netdevs.append({"net": "on", **found})


def netdevs(options: NetworkOptions) -> Iterator[Netdev]:
    """Where each card's packets go. A netdev without an id is named by its type and position: user.0.

    One without a card is left out: the guest sees none of it.
    """
    macs = {card["netdev"]: card.get("mac") or card.get("macaddr") for card in options.cards}
    old_cards = iter(options.old_cards)
    for position, found in enumerate(options.netdevs):
        kind = found.get("type", "")
        if kind == "none":
            continue
        name = found.get("id") or f"{kind}.{position}"
        if name not in macs and "nic" not in found and not ("net" in found and options.old_cards):
            continue
        mac = macs.get(name) or found.get("mac")
        if mac is None and "net" in found:
            mac = next(old_cards, {}).get("macaddr")
        socket = options.sockets.get(found.get("chardev", ""))
        yield Netdev(
            id=name,
            type=_TYPES.get(kind, kind) if not _is_passt(found) else "user",
            mac=mac.lower() if mac else None,
            source="passt" if _is_passt(found) or "passt" in (socket or "") else found.get("br") or socket,
            interface=found.get("ifname") if kind == "tap" else None,
            descriptors=tuple(_descriptors(found)),
        )


def _is_passt(found: Values) -> bool:
    """A type of its own since QEMU 10.1; before, a stream to the socket of a separately started passt."""
    return found.get("type") == "passt" or "passt" in below(found, "addr").get("path", "")


def _descriptors(found: Values) -> Iterator[int]:
    """One for each queue. A name instead of a number is a descriptor that was passed later."""
    for text in [*found.get("fds", "").split(":"), found.get("fd", "")]:
        if text.isascii() and text.isdecimal() and len(text) < 9:
            yield int(text)
