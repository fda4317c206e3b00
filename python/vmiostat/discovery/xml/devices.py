"""The devices of a defined domain. One without a unique name is left out, with a problem."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from lxml import etree

from vmiostat.discovery.xml.disk import CONTAINERS, disk, filesystem, passed_through
from vmiostat.discovery.xml.interface import interface, moved_interface
from vmiostat.model import Disk, Interface
from vmiostat.system.vmm_programs import vmm

Problem = Callable[[str, etree._Element], None]
"""Takes a sentence and the element that it is about."""


def disks(domain: etree._Element, problem: Problem) -> Iterator[Disk]:
    """The domain's disks, in the definition's order."""
    seen = set()
    served_by = _other_vmm(domain)
    for element in domain.iterfind("devices/*"):
        found: Disk | None = None
        if element.tag == "disk":
            found = disk(element)
        elif element.tag == "hostdev":
            found = passed_through(element)
        elif element.tag == "filesystem" and domain.get("type") in CONTAINERS:
            found = filesystem(element)
        if found is None:
            continue
        if not found.target:
            source = "" if found.source is None else f" (source {found.source!r})"
            problem(f"a {element.tag}{source} has no <target> and is left out", element)
        elif found.target in seen:
            problem(f"{element.tag} {found.target!r} is defined twice; this one is left out", element)
        else:
            seen.add(found.target)
            yield found if served_by is None else replace(found, driver=served_by)


def _other_vmm(domain: etree._Element) -> str | None:
    """The VMM that serves the disks, where that is not QEMU: cloud-hypervisor."""
    program = vmm((domain.findtext("devices/emulator") or "").strip().rpartition("/")[2])
    return None if program == "qemu" else program


def interfaces(domain: etree._Element, problem: Problem, *, live: bool) -> Iterator[Interface]:
    """The domain's interfaces, in the definition's order.

    If a definition does not name the host's device (a stored one rarely does), the target is the MAC address, as in
    libvirt's API, or else net:N for the Nth interface. The host cannot have an interface of such a name: since 4.14 the
    kernel rejects a colon.
    """
    seen = set()
    index = 0
    for element in domain.iterfind("devices/*"):
        if element.tag == "interface":
            found: Interface | None = interface(element, live=live, xen=domain.get("type") == "xen")
        elif element.tag == "hostdev":
            found = moved_interface(element)
        else:
            continue
        if found is None:
            continue
        if not found.target:
            mac = found.mac if found.mac not in seen else None
            found = replace(found, target=mac or f"net:{index}")
        index += 1
        if found.target in seen:
            problem(f"interface {found.target!r} is defined twice; this one is left out", element)
        else:
            seen |= {found.target, found.mac}
            yield found
