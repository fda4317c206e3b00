"""A definition's network interfaces: libvirt's <interface>, and host interfaces that are moved into a container."""

from lxml import etree

from vmiostat.counter_sources import Missing
from vmiostat.discovery.driver_domain import served_by
from vmiostat.model import Interface

_GENERATED = ("vnet", "macvtap", "macvlan")
_GENERATED_FOR_XEN = (*_GENERATED, "vif")
"""How names begin that libvirt generates (virDomainNetDefParseXML): it ignores them in a stored definition."""
_NOT_RUNNING = "the domain does not run: {!r} is a name that libvirt generated, and generates again at the next start"


def interface(element: etree._Element, *, live: bool, xen: bool = False) -> Interface:
    """An <interface>; its target is empty if the definition names no device of the host.

    For a network, a status file has the type of connection that it resolved to in <actual>. In the XML from libvirt's
    API that is the interface's own type.
    """
    actual = element.find("actual")
    kind = element.get("type", "user")
    sources = [element.find("source")]
    if actual is not None:
        kind = actual.get("type", kind)
        sources.insert(0, actual.find("source"))
    target = element.find("target")
    name = "" if target is None else target.get("dev", "")
    managed = target is None or target.get("managed") != "no"
    server = element.find("backenddomain")
    reason = "" if server is None else served_by(server.get("name", ""))
    # A name that libvirt generated at start may belong to another domain by the time a stored definition is read.
    if not live and managed and name.startswith(_GENERATED_FOR_XEN if xen else _GENERATED):
        name, reason = "", reason or Missing(_NOT_RUNNING.format(name))
    mac = element.find("mac")
    return Interface(
        target=name,
        type=kind,
        mac=None if mac is None else mac.get("address", "").lower() or None,
        source=_source(element, kind, sources),
        managed=managed,
        reason=reason,
    )


def moved_interface(element: etree._Element) -> Interface | None:
    """The host interface that <hostdev mode='capabilities' type='net'> moves into a container."""
    name = (element.findtext("source/interface") or "").strip()
    if element.get("mode") != "capabilities" or element.get("type") != "net" or not name:
        return None
    return Interface(
        target=name,
        type="hostdev",
        source=name,
        reason=Missing(
            "the host's interface was moved into the container: it is only in the container's network namespace"
        ),
    )


def _source(element: etree._Element, kind: str, sources: list[etree._Element | None]) -> str | None:
    """What it is connected to; of a network, its name and the bridge or device that provides it."""
    backend = element.find("backend")
    backend_type = None if backend is None else backend.get("type")
    if kind == "user" or (kind == "vhostuser" and backend_type == "passt"):
        return backend_type
    found = [source for source in sources if source is not None]
    network = next(filter(None, (source.get("network") for source in found)), None)
    provides = next(filter(None, (_place(source, kind) for source in found)), None)
    if kind == "hostdev" or network is None:
        return provides or network
    return network if provides is None else f"{network} ({provides})"


def _place(source: etree._Element, kind: str) -> str | None:
    if kind == "hostdev" and (device := _pci_address(source.find("address"))):
        return device
    for name in ("bridge", "dev", "path", "name", "switchid"):
        if value := source.get(name):
            return value
    if address := source.get("address"):
        return f"{address}:{source.get('port', '?')}"
    return None


def _pci_address(element: etree._Element | None) -> str | None:
    """The device's name in sysfs: 0000:03:10.1. None if the definition's address is incomplete or impossible."""
    if element is None or element.get("type", "pci") != "pci":
        return None
    try:
        domain, bus, slot, function = (
            int(element.get(part, default), 0)
            for part, default in (("domain", "0"), ("bus", ""), ("slot", ""), ("function", "0"))
        )
    except ValueError:
        return None
    possible = 0 <= domain < 1 << 32 and 0 <= bus < 256 and 0 <= slot < 32 and 0 <= function < 8
    return f"{domain:04x}:{bus:02x}:{slot:02x}.{function}" if possible else None
