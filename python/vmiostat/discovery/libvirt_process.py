"""Whether the process that libvirt's status file names still runs the domain."""

from collections.abc import Iterator
from dataclasses import replace

from vmiostat._core import Roots
from vmiostat.discovery.definition import Definition
from vmiostat.errors import SourceError
from vmiostat.model import Domain
from vmiostat.process import command_line, process, sees_every_process


def with_process(definition: Definition, driver: str, roots: Roots) -> Iterator[Definition]:
    """The definition with its process as it is now; nothing where the process is there no more.

    The file of a guest that ended while libvirt's daemon was down is left behind. Where not every process is to be
    seen, one that is missing says nothing: then the domain stays, without a process.
    """
    domain = definition.domain
    if domain.process is None:
        yield definition
        return
    now = process(domain.process.pid, roots)
    if now is not None and driver == "qemu" and not _runs(domain, now.pid, roots):
        now = None
    if now is not None or not sees_every_process(roots):
        yield replace(definition, domain=replace(domain, process=now))


def _runs(domain: Domain, pid: int, roots: Roots) -> bool:
    """Whether the process is the domain's, and not one that was given its pid since: QEMU has the UUID from libvirt."""
    try:
        words = command_line(pid, roots)
    except SourceError:
        return False
    return domain.uuid is None or any(domain.uuid in word.lower() for word in words)
