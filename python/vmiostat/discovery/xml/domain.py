"""Domains from libvirt's domain XML: of any hypervisor, running or stored, from files or from memory.

The proposal of 2007 in today's words: rarely, read each domain's XML for its devices/disk and devices/interface.
"""

import re
import uuid

from lxml import etree

from vmiostat.discovery.xml.definition import Definition
from vmiostat.discovery.xml.devices import Problem, disks, interfaces
from vmiostat.discovery.xml.safe_xml import line_of, parse_xml, quotable
from vmiostat.errors import TopologyError
from vmiostat.model import Domain, Process

PROVIDER = "xml"

_NOW = ("domain", "domstatus")
_PAST = ("domainsnapshot", "domaincheckpoint", "domainbackup")
"""Documents that keep a domain as it was: its id and its interfaces' names may be another's today."""
_ID = re.compile(r"[0-9]{1,9}", re.ASCII)
_PID = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


def parse(data: bytes, path: str, provider: str = PROVIDER) -> Definition:
    """The domain that one document defines. `path` says in messages where the document is from.

    Raises TopologyError where there is no domain to be had from it; what costs only a device is in its `problems`.

    >>> xml = b"<domain type='kvm' id='3'><name>web1</name><devices><interface type='bridge'>"
    >>> xml += b"<target dev='vnet0'/></interface></devices></domain>"
    >>> parse(xml, "web1.xml").domain.interfaces[0].target
    'vnet0'
    """
    root = parse_xml(data, path)
    element = _domain_element(root, path)
    problems: list[TopologyError] = []
    name = element.findtext("name") or ""
    # Blanks at its ends are libvirt's, too, and tell two domains apart; a line end in it is none that libvirt has.
    if "\n" in name:
        name = name.strip()
    if not name.strip():
        raise TopologyError("the domain has no name", path, line_of(element))

    def problem(reason: str, at: etree._Element) -> None:
        problems.append(TopologyError(f"domain {name!r}: {reason}", path, line_of(at)))

    number = _id(element, problem) if root.tag in _NOW else None
    live = number is not None or root.tag == "domstatus"
    domain = Domain(
        name=name,
        id=number,
        uuid=_uuid(element, problem),
        type=element.get("type", ""),
        provider=provider,
        process=_process(root),
        disks=tuple(disks(element, problem)),
        interfaces=tuple(interfaces(element, problem, live=live)),
    )
    return Definition(domain, path, line_of(element), live, tuple(problems))


def _domain_element(root: etree._Element, path: str) -> etree._Element:
    if root.tag == "domain":
        return root
    if root.tag not in _NOW + _PAST:
        raise TopologyError(f"the root is <{quotable(str(root.tag))}>, which defines no domain", path, line_of(root))
    element = root.find("domain")
    if element is None:
        raise TopologyError(f"this <{root.tag}> holds no <domain>", path, line_of(root))
    return element


def _id(element: etree._Element, problem: Problem) -> int | None:
    text = element.get("id", "-1")
    if text == "-1":  # an old libvirt's word for not running
        return None
    if not _ID.fullmatch(text):
        problem(f"id {text[:100]!r} is no number; the domain is taken as not running", element)
        return None
    return int(text)


def _process(root: etree._Element) -> Process | None:
    """The process that a status file names; 0 stands for none."""
    text = root.get("pid", "")
    return Process(int(text)) if root.tag == "domstatus" and _PID.fullmatch(text) else None


def _uuid(element: etree._Element, problem: Problem) -> str | None:
    text = (element.findtext("uuid") or "").strip()
    try:
        return str(uuid.UUID(text)) if text else None
    except ValueError:
        problem(f"uuid {text[:100]!r} is none; the domain goes without", element)
        return None
