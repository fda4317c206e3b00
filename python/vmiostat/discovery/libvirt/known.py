"""A running domain's XML from libvirt, when it was received, and what it defines."""

import time
from dataclasses import dataclass, replace

from vmiostat._core import Roots
from vmiostat.discovery.libvirt.process import with_process
from vmiostat.discovery.libvirt.session import Running
from vmiostat.discovery.running_process import running_process
from vmiostat.discovery.xml.definition import Definition
from vmiostat.discovery.xml.domain import parse
from vmiostat.errors import TopologyError
from vmiostat.model import Domain, Process

PROVIDER = "libvirt"

_MAX_PID_FILE = 20
"""Bytes."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a running domain."""

    running: Running
    """Its entry in libvirt's list when the XML was read. A domain that is restarted gets another id."""
    xml: bytes
    definition: Definition | TopologyError
    received: float
    """When the XML was received (time.monotonic)."""

    def may_run(self, roots: Roots) -> bool:
        """False if its process has ended. Does not call libvirt."""
        if isinstance(self.definition, TopologyError) or self.definition.domain.process is None:
            return True
        its = self.definition.domain.process
        return running_process(its.pid, roots) == its


def learn(running: Running, xml: bytes | None, before: Known | None, uri: str, roots: Roots) -> Known | None:
    """What a domain's XML defines; None if not a running domain. Unchanged XML is not parsed again."""
    now = time.monotonic()
    if xml is None:
        return None
    if before is not None and (before.running, before.xml) == (running, xml):
        return replace(before, received=now)
    try:
        definition = parse(xml, f"{uri}/{running.name}", PROVIDER)
    except TopologyError as error:
        return Known(running, xml, error, now)
    return Known(running, xml, _with_process(definition, roots), now) if definition.live else None


def _with_process(definition: Definition, roots: Roots) -> Definition:
    """The definition with the domain's process, which the XML does not have, if that can be found and read."""
    domain = definition.domain
    pid = domain.id if domain.type == "lxc" else _from_pid_file(domain, roots)  # the controller's, in LXC
    if pid is None:
        return definition
    driver = "lxc" if domain.type == "lxc" else "qemu"
    its = replace(definition, domain=replace(domain, process=Process(pid)))
    # None: the process is that of another user's domain of this name, or libvirt is on another machine.
    return with_process(its, driver, roots) or definition


def _from_pid_file(domain: Domain, roots: Roots) -> int | None:
    if domain.type not in ("kvm", "qemu") or "/" in domain.name:
        return None
    text = roots.read_or_none(f"/run/libvirt/qemu/{domain.name}.pid") or b""
    return int(text) if len(text) <= _MAX_PID_FILE and text.strip().isdigit() else None
