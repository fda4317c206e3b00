"""libvirt's running domains, from its status files and optionally over a connection to its daemon."""

from typing import TYPE_CHECKING

from vmiostat.discovery.libvirt.status import LibvirtStatus
from vmiostat.discovery.provider import Found, ScanContext

if TYPE_CHECKING:
    from vmiostat.discovery.libvirt.connection import LibvirtConnection


class LibvirtDomains:
    """While the daemon answers, its view of a domain takes precedence over the status file; otherwise the file does."""

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
        # Then it does not matter if reading the files is not permitted.
        return Found(daemon.domains + files.domains)
