"""The exceptions of vmiostat, all of them below `Error`.

A poll of many devices raises none of these for a device: the state of its row says what is wrong.
"""

from __future__ import annotations


class Error(Exception):
    """The base of all exceptions that vmiostat raises."""


class UnknownDomain(Error, LookupError):
    """No domain has this name, UUID or id; the message lists those that there are."""


class UnknownDevice(Error, LookupError):
    """The domain has no such device; the message lists those that it has."""


class NoCounters(Error):
    """The device has no counters on this host; the message is the reason."""


class TopologyError(Error):
    """A domain's definition cannot be used. The message begins with the file and, where known, the line.

    Attributes
    ----------
    reason : str
        What is wrong, without the place.
    path : str
        The file.
    line : int or None
        The line in it, where known.
    """

    def __init__(self, reason: str, path: str, line: int | None = None) -> None:
        self.reason = reason
        self.path = path
        self.line = line
        where = path if line is None else f"{path}:{line}"
        super().__init__(f"{where}: {reason}")

    def __reduce__(self) -> tuple[type[TopologyError], tuple[str, str, int | None]]:
        return type(self), (self.reason, self.path, self.line)


class SourceError(Error, OSError):
    """A file (`filename`) could not be read (`errno`), or did not have the expected content (`errno` is None)."""


class SizeError(Error, ValueError):
    """A struct size that no version has, or a buffer that is too small; the message names the limit."""
