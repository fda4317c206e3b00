"""The network cards of a QEMU command line: what -netdev, -nic, -net and -device make together."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from vmiostat.discovery.vmm.command_line import Netdev
from vmiostat.discovery.vmm.qemu.options import Values, below, values

_TYPES = {"bridge": "tap", "vhost-user": "vhostuser", "vhost-vdpa": "vdpa", "passt": "user", "none": "null"}
"""QEMU's words for which vmiostat.model.Interface has others."""


@dataclass(slots=True)
class NetworkOptions:
    """The options of a command line that make network cards, in their order."""

    netdevs: list[Values] = field(default_factory=list)
    cards: list[Values] = field(default_factory=list)
    old_cards: list[Values] = field(default_factory=list)
    """-net nic: those and the -net of other types belong together in their order."""

    def add(self, name: str, text: str) -> None:
        """Takes an option, if it is one of these."""
        match name:
            case "netdev":
                self.netdevs.append(values(text, "type"))
            case "nic":
                self.netdevs.append(values(text, "type"))
            case "net" | "device":
                found = values(text, "type" if name == "net" else "driver")
                if "netdev" in found:
                    self.cards.append(found)
                elif name == "net" and found.get("type") == "nic":
                    self.old_cards.append(found)
                elif name == "net":
                    self.netdevs.append({"net": "on", **found})


def netdevs(options: NetworkOptions) -> Iterator[Netdev]:
    """Where each card's packets go. Without an id, a netdev is called by its type and place: user.0."""
    macs = {card["netdev"]: card.get("mac") or card.get("macaddr") for card in options.cards}
    old_cards = iter(options.old_cards)
    for place, found in enumerate(options.netdevs):
        kind = found.get("type", "")
        if kind == "none":
            continue
        name = found.get("id") or f"{kind}.{place}"
        mac = macs.get(name) or found.get("mac")
        if mac is None and "net" in found:
            mac = next(old_cards, {}).get("macaddr")
        yield Netdev(
            id=name,
            type=_TYPES.get(kind, kind) if not _is_passt(found) else "user",
            mac=mac.lower() if mac else None,
            source="passt" if _is_passt(found) else found.get("br"),
            interface=found.get("ifname") if kind == "tap" else None,
            descriptors=tuple(_descriptors(found)),
        )


def _is_passt(found: Values) -> bool:
    """Its own type since QEMU 10.1; before, a stream to the socket of a passt that was started beside."""
    return found.get("type") == "passt" or "passt" in below(found, "addr").get("path", "")


def _descriptors(found: Values) -> Iterator[int]:
    """One for each queue. A word in the place of a number names one that was handed over later."""
    for text in [*found.get("fds", "").split(":"), found.get("fd", "")]:
        if text.isascii() and text.isdecimal() and len(text) < 9:
            yield int(text)
