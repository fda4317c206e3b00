"""A host's domains as they come, go and change: looked for in a thread of its own, at once when something says so."""

import math
import weakref
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from vmiostat.errors import Error
from vmiostat.model import Domain
from vmiostat.watching.event_sources import EventSources
from vmiostat.watching.scanner import Scan, Scanner


class Watch:
    """The newest list of a host's domains; made by `Host.watch`.

    >>> from vmiostat import Host
    >>> with Host().watch() as watch:
    ...     for domains in watch:  # the list now, then after each change
    ...         names = [domain.name for domain in domains]
    ...         break

    Its thread looks when libvirt writes a domain's file, when an interface or disk comes or goes, and every so many
    seconds in any case. Nobody waits for a look: one that hangs leaves everything here as it was. Close it, or use it
    in a `with` statement. May be used from several threads. In a fork of its process it is closed.
    """

    def __init__(
        self,
        look: Scan,
        signals: Callable[[], EventSources],
        every: float = 10.0,
        told: Callable[[tuple[Domain, ...]], None] | None = None,
    ) -> None:
        if not 0 < every < math.inf:
            raise ValueError(f"every is a number of seconds above 0, not {every!r}")
        self._looking = Scanner(look, signals, every, told)
        self._stop = weakref.finalize(self, self._looking.stop)

    @property
    def domains(self) -> tuple[Domain, ...]:
        """The domains as the last look saw them; none before the first one has ended: see `wait`."""
        return self._looking.seen.domains

    @property
    def problems(self) -> tuple[Error, ...]:
        """What kept the last look from seeing more, what is noticed by looking again alone, and that a look hangs."""
        return self._looking.problems

    @property
    def changes(self) -> int:
        """How often `domains` has changed; the first look is the first change."""
        return self._looking.seen.changes

    def wait(self, after: int = 0, timeout: float | None = None) -> bool:
        """Waits until there are more than `after` changes; False when `timeout` seconds have passed or it was closed.

        `wait()` waits for the first look, and that may hang: `problems` then say so.
        """
        looking = self._looking
        with looking.news:
            looking.news.wait_for(lambda: looking.seen.changes > after or looking.stopped, timeout)
            return looking.seen.changes > after

    def __iter__(self) -> Iterator[tuple[Domain, ...]]:
        """The domains now, then after each change, until the watch is closed. A list that a newer one has overtaken is
        left out.
        """
        seen = 0
        while self.wait(seen) and not self.closed:
            seen, domains, _ = self._looking.seen
            yield domains

    def close(self) -> None:
        """Ends the thread. If it hangs in a look, it ends after that, and nobody waits for it."""
        self._stop()

    @property
    def closed(self) -> bool:
        """Whether it was closed, or is in a fork of the process that made it."""
        return self._looking.stopped

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
