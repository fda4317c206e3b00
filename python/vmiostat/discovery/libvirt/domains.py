"""libvirt's running domains, from its status files and, where there is one, over a connection to its daemon."""

from typing import TYPE_CHECKING

from vmiostat.discovery.libvirt.status import LibvirtStatus
from vmiostat.discovery.provider import Found, ScanContext

if TYPE_CHECKING:
    from vmiostat.discovery.libvirt.connection import LibvirtConnection


class LibvirtDomains:
    """While the daemon answers, its view of a domain goes before the status file; otherwise the file goes first."""

    name = "libvirt"

    def __init__(self, connection: "LibvirtConnection | None" = None) -> None:
        self._connection = connection
        self._status = LibvirtStatus()

    def scan(self, context: ScanContext) -> Found:
        files = self._status.scan(context)
        if self._connection is None:
            return files
        daemon = self._connection.domains(context.roots)
        if daemon.problems:
            return Found(files.domains + daemon.domains, files.problems + daemon.problems)
        # Files that may not be read are no problem: the daemon has told the same.
        return Found(daemon.domains + files.domains)
