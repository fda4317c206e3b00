"""The files in which a command line says that more devices are described."""

from vmiostat._core import Roots
from vmiostat.discovery.limits import cut_name
from vmiostat.errors import SourceError
from vmiostat.system.configuration_file import configuration_file

MOST = 8
"""Files of one process that are read: each takes a call of a helper process."""


class Configurations:
    """Reads those of one process, and remembers which it could not read."""

    def __init__(self, pid: int, roots: Roots) -> None:
        self._pid = pid
        self._roots = roots
        self._read = 0
        self.unread: list[str] = []
        """Of each file its path and why: /run/qemu.conf (Permission denied)."""

    def read(self, path: str) -> str:
        """The text of a file; empty if it cannot be read."""
        self._read += 1
        if self._read > MOST:
            self.refuse(path, f"of a command line up to {MOST} files are read")
            return ""
        try:
            return configuration_file(self._pid, path, self._roots)
        except SourceError as error:
            self.refuse(path, str(error.strerror))
            return ""

    def refuse(self, path: str, why: str) -> None:
        """What a file describes is not shown."""
        if len(self.unread) < MOST:
            self.unread.append(f"{cut_name(path)} ({why})")
