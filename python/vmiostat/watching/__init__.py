"""Watches for changes on the machine: a module for each event source, and one thread that scans for domains."""

from typing import Protocol


class EventSource(Protocol):
    """Says that something changed, but not what: the next scan finds out."""

    def fileno(self) -> int:
        """A descriptor that is readable while there are events to drain."""

    def drain(self) -> bool:
        """Reads the events; returns whether they call for a scan. Raises OSError if no more events will come."""

    def close(self) -> None: ...
