"""Whether the process that libvirt names still runs the domain."""

from dataclasses import replace

from vmiostat._core import Roots
from vmiostat.discovery.running_process import running_process
from vmiostat.discovery.xml.definition import Definition
from vmiostat.errors import SourceError
from vmiostat.model import Domain
from vmiostat.system.processes import command_line, sees_every_process


def with_process(definition: Definition, driver: str, roots: Roots) -> Definition | None:
    """The definition with its current process; None if the process has ended.

    When a guest ends while libvirt's daemon is down, its status file is left behind. If some processes are hidden, a
    missing one may be among them: the domain is then kept, without a process. A process that started at the time noted
    in an earlier scan is still the same.
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
    """Whether the process is the domain's, and has not just the same pid: libvirt gives QEMU the UUID."""
    try:
        words = command_line(pid, roots)
    except SourceError:
        return False
    return domain.uuid is None or any(domain.uuid in word.lower() for word in words)
