"""A domain from libvirt's domain XML: of any hypervisor, running or stored, from a file or from memory."""

import re
import uuid

from lxml import etree

from vmiostat.discovery.limits import cut_name
from vmiostat.discovery.row_names import CHANGED, with_row_names
from vmiostat.discovery.xml.definition import Definition
from vmiostat.discovery.xml.devices import Problem, disks, interfaces
from vmiostat.discovery.xml.safe_xml import line_of, parse_xml, quotable
from vmiostat.errors import TopologyError
from vmiostat.model import Domain, Process

PROVIDER = "xml"

_NOW = ("domain", "domstatus")
_PAST = ("domainsnapshot", "domaincheckpoint", "domainbackup")
"""Documents about a past state: the id and interface names may belong to another domain by now."""
_NOVA = "http://openstack.org/xmlns/libvirt/nova/1."
_ID = re.compile(r"[0-9]{1,9}", re.ASCII)
_PID = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


def parse(data: bytes, path: str, provider: str = PROVIDER) -> Definition:
    """The domain that a document defines. `path` is where it is from, for messages.

    Raises TopologyError if it defines no usable domain. Errors that affect only a device are in its `problems`.

    >>> xml = b"<domain type='kvm' id='3'><name>web1</name><devices><interface type='bridge'>"
    >>> xml += b"<target dev='vnet0'/></interface></devices></domain>"
    >>> parse(xml, "web1.xml").domain.interfaces[0].target
    'vnet0'
    """
    root = parse_xml(data, path)
    element = _domain_element(root, path)
    problems: list[TopologyError] = []
    name = element.findtext("name") or ""
    # libvirt allows blanks at the ends of a name, which can be the only difference of two, but no newlines.
    if "\n" in name:
        name = name.strip()
    if not name.strip():
        raise TopologyError("the domain has no name", path, line_of(element))

    def problem(reason: str, at: etree._Element) -> None:
        problems.append(TopologyError(f"domain {cut_name(name)!r}: {reason}", path, line_of(at)))

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
        title=_name(element.findtext("title")),
        nova_name=_nova_name(element),
    )
    named = with_row_names(domain)
    if named is not domain:
        problem(CHANGED, element)
    return Definition(named, path, line_of(element), live, tuple(problems))


def _domain_element(root: etree._Element, path: str) -> etree._Element:
    if root.tag == "domain":
        return root
    if root.tag not in _NOW + _PAST:
        raise TopologyError(f"the root element <{quotable(str(root.tag))}> defines no domain", path, line_of(root))
    element = root.find("domain")
    if element is None:
        raise TopologyError(f"this <{root.tag}> contains no <domain>", path, line_of(root))
    return element


def _name(text: str | None) -> str | None:
    return cut_name(text.strip()) or None if text else None


def _nova_name(element: etree._Element) -> str | None:
    """The name in nova's metadata; their namespace ends with their version: 1.0, 1.1."""
    for instance in element.iterfind("metadata/{*}instance"):
        if (namespace := etree.QName(instance).namespace or "").startswith(_NOVA):
            return _name(instance.findtext(f"{{{namespace}}}name"))
    return None


def _id(element: etree._Element, problem: Problem) -> int | None:
    text = element.get("id", "-1")
    if text == "-1":  # not running, in old versions of libvirt
        return None
    if not _ID.fullmatch(text):
        problem(f"id {text[:100]!r} is not a number; the domain is assumed not to run", element)
        return None
    return int(text)


def _process(root: etree._Element) -> Process | None:
    """The process in a status file, where 0 stands for none."""
    text = root.get("pid", "")
    return Process(int(text)) if root.tag == "domstatus" and _PID.fullmatch(text) else None


def _uuid(element: etree._Element, problem: Problem) -> str | None:
    text = (element.findtext("uuid") or "").strip()
    try:
        return str(uuid.UUID(text)) if text else None
    except ValueError:
        problem(f"uuid {text[:100]!r} is not a UUID and is ignored", element)
        return None
