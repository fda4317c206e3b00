"""A host's domains, and their changes: a thread scans for them, at once after an event and otherwise at an interval."""

import math
import weakref
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from vmiostat.errors import Error
from vmiostat.model import Domain
from vmiostat.watching.event_sources import EventSources
from vmiostat.watching.scanner import OnChange, Scan, Scanner


class Watch:
    """The current domains of a host; made by `Host.watch`.

    Its thread scans when libvirt writes a domain's file, when an interface or disk comes or goes, and at an interval in
    any case. A scan that hangs delays no other thread: `domains` stays as it was. Close the watch, or use it in a
    `with` statement. It may be used from several threads. In a fork of its process it is closed.

    Examples
    --------
    >>> from vmiostat import Host
    >>> with Host().watch() as watch:
    ...     for domains in watch:  # the domains now, then after each change
    ...         names = [domain.name for domain in domains]
    ...         break
    """

    def __init__(
        self,
        scan: Scan,
        event_sources: Callable[[], EventSources],
        interval: float = 10.0,
        on_change: OnChange | None = None,
    ) -> None:
        if not 0 < interval < math.inf:
            raise ValueError(f"interval must be a number of seconds above 0, not {interval!r}")
        self._scanner = Scanner(scan, event_sources, interval, on_change)
        self._stop = weakref.finalize(self, self._scanner.stop)

    @property
    def domains(self) -> tuple[Domain, ...]:
        """The domains that the last scan found; empty until the first one has ended: see `wait`."""
        return self._scanner.result.domains

    @property
    def problems(self) -> tuple[Error, ...]:
        """What kept the last scan from finding more, which changes have no events, and whether a scan hangs."""
        return self._scanner.problems

    @property
    def changes(self) -> int:
        """How often `domains` has changed; the first scan counts as a change."""
        return self._scanner.result.changes

    def wait(self, after: int = 0, timeout: float | None = None) -> bool:
        """Waits until there are more than `after` changes; False if `timeout` seconds pass or the watch is closed.

        `wait()` waits for the first scan. If that hangs, `problems` says so.
        """
        scanner = self._scanner
        with scanner.changed:
            scanner.changed.wait_for(lambda: scanner.result.changes > after or scanner.stopped, timeout)
            return scanner.result.changes > after

    def __iter__(self) -> Iterator[tuple[Domain, ...]]:
        """The domains now, then after each change, until the watch is closed. If there are several changes between two
        steps, only the last one counts.
        """
        seen = 0
        while self.wait(seen) and not self.closed:
            seen, domains, _ = self._scanner.result
            yield domains

    def close(self) -> None:
        """Ends the thread. If a scan hangs, it ends after that, and `close` does not wait for it."""
        self._stop()

    @property
    def closed(self) -> bool:
        """Whether it was closed, or is in a fork of the process that made it."""
        return self._scanner.stopped

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
