"""Whether the process that libvirt's status file names still runs the domain."""

from dataclasses import replace

from vmiostat._core import Roots
from vmiostat.discovery.running_process import running_process
from vmiostat.discovery.xml.definition import Definition
from vmiostat.errors import SourceError
from vmiostat.model import Domain
from vmiostat.system.processes import command_line, sees_every_process


def with_process(definition: Definition, driver: str, roots: Roots) -> Definition | None:
    """The definition with its process as it is now; None where the process is there no more.

    The file of a guest that ended while libvirt's daemon was down is left behind. Where not every process is to be
    seen, one that is missing says nothing: then the domain stays, without a process. A definition that has been here
    before says when its process was started; one that was not started since is still the domain's.
    """
    domain = definition.domain
    if domain.process is None:
        return definition
    now = running_process(domain.process.pid, roots)
    if now == domain.process:
        return definition
    if now is not None and driver == "qemu" and not _runs(domain, now.pid, roots):
        now = None
    if now is None and sees_every_process(roots):
        return None
    return replace(definition, domain=replace(domain, process=now))


def _runs(domain: Domain, pid: int, roots: Roots) -> bool:
    """Whether the process is the domain's, and not one that was given its pid since: QEMU has the UUID from libvirt."""
    try:
        words = command_line(pid, roots)
    except SourceError:
        return False
    return domain.uuid is None or any(domain.uuid in word.lower() for word in words)
