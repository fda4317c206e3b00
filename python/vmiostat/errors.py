"""What can go wrong, as one small tree below `Error`.

A bulk poll raises none of these for a bad row: the row's state tells.
"""


class Error(Exception):
    """Everything that vmiostat raises on purpose."""


class UnknownDomain(Error, LookupError):
    """No domain has this name, uuid or id; the text lists those that there are."""


class UnknownDevice(Error, LookupError):
    """The domain has no such device; the text lists those that it has."""


class NoCounters(Error):
    """The device is known and has no counters here; the text is the reason."""


class TopologyError(Error):
    """A domain's definition cannot be used. The text begins with the file and, where known, the line."""

    def __init__(self, reason: str, path: str, line: int | None = None) -> None:
        self.reason = reason
        self.path = path
        self.line = line
        where = path if line is None else f"{path}:{line}"
        super().__init__(f"{where}: {reason}")


class SourceError(Error, OSError):
    """The kernel's file (`filename`) could not be read (`errno`), or did not hold what it should (`errno` is None)."""


class SizeError(Error, ValueError):
    """A struct size that no version has, or a buffer that is too small for it; the text names the limit."""
