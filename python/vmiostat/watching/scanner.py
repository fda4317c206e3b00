"""The thread that looks: at once when a signal says so, soon after that again, and now and then in any case."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from vmiostat.errors import Error
from vmiostat.model import Domain
from vmiostat.threads.fork import register_after_fork
from vmiostat.threads.signal_mask import block_signals_in_this_thread
from vmiostat.watching.event_sources import EventSources

_APART = 0.01
"""Seconds between two looks: changes come in bursts."""
_SOON = (0.1, 0.5, 2.0, 6.0)
"""Seconds after a signal at which to look again. Much is late: libvirt writes a domain's file before the domain runs,
and Xen's backends have no counters until the guest's driver has connected; nobody tells of that. All but the first of
these looks are at everything anew: at that time a hot-plug may be under way still, and is not to wait for it."""
_BURST, _REST = 0.2, 1.0
"""Seconds of work without a rest, and of the longest rest. Where changes never end, looks take half of a processor."""
_PUT_OFF = 3
"""Looks in a row that count for nothing. One during which a domain's file was written may have read the old file and
found another disk under its path: the next one comes at once."""
_JOIN = 0.5
"""Seconds that closing waits for a look to end. One that hangs ends when it does, and harms nobody."""
_LONG = 5.0
"""Seconds after which a look that has not ended is a problem. libvirt, too, has this long to answer."""
_UNWOKEN = 0.1
"""Seconds after which a thread that cannot be woken sees by itself that it is to end."""

Found = tuple[Sequence[Domain], Sequence[Error]]
Scan = Callable[[bool], Found]
"""Finds the domains: at all that nobody tells of, too (True), or only at what a signal may have told of."""


class Due(NamedTuple):
    """A look that is to be made without a signal."""

    at: float
    anew: bool


class Seen(NamedTuple):
    """What the newest look saw."""

    changes: int = 0
    domains: tuple[Domain, ...] = ()
    problems: tuple[Error, ...] = ()


class Scanner:
    """Looks for the domains in a thread of its own, which nobody ever has to wait for.

    `told`, called in the thread after each look and before others see what it saw, may do something about the domains.
    An exception of either costs that look alone: it becomes a problem.
    """

    def __init__(
        self,
        look: Scan,
        signals: Callable[[], EventSources],
        every: float,
        told: Callable[[tuple[Domain, ...]], None] | None = None,
    ) -> None:
        self._look_for, self._open_signals, self._every, self._told = look, signals, every, told
        self.seen = Seen()
        self.stopped = False
        self._began: float | None = None
        """When the look that is under way began."""
        self._put_off = 0
        self.news = threading.Condition()
        """Told of each change of `seen.changes` and `stopped`."""
        register_after_fork(self)
        self._wake = _eventfd()
        self._thread = threading.Thread(target=self._run, name="vmiostat-watch", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            del self._thread  # which holds what holds it
            self._close_wake()
            raise Error(f"changes cannot be followed, which takes a thread: {error}") from error

    @property
    def problems(self) -> tuple[Error, ...]:
        """The newest look's, and that one has been under way for long."""
        began, problems = self._began, self.seen.problems
        seconds = 0.0 if began is None else time.monotonic() - began
        if seconds < _LONG:
            return problems
        late = f"a look has been under way for {seconds:.0f} s, since something that it reads does not answer"
        return (*problems, Error(f"{late}: what came or went meanwhile is not seen yet"))

    def forked(self) -> None:
        """In a fork nobody looks: it is stopped."""
        self.stopped = True
        self._began = None
        self.news = threading.Condition()
        self._wake = -1

    def stop(self) -> None:
        """Ends the thread, now or when its look has ended."""
        with self.news:
            self.stopped = True
            self.news.notify_all()
            if self._wake >= 0:
                os.eventfd_write(self._wake, 1)
        if self._thread is not threading.current_thread():
            self._thread.join(_JOIN)

    def _run(self) -> None:
        block_signals_in_this_thread()
        signals: EventSources | None = None
        try:
            signals = self._open_signals()
            if self._wake >= 0:
                signals.wake_by(self._wake)
            self._look_again_and_again(signals)
        except Exception as error:  # a mistake of ours: whoever waits is to know
            self.seen = self.seen._replace(problems=(Error(f"changes are no longer followed: {error!r}"),))
        finally:
            with self.news:
                self.stopped = True
                self._close_wake()
                self.news.notify_all()
            if signals is not None:
                signals.close()

    def _look_again_and_again(self, signals: EventSources) -> None:
        soon: list[Due] = []
        anew, tired = True, 0.0
        ended = time.monotonic()
        slow = Due(ended, anew=True)
        while not self.stopped:
            tired = max(0.0, tired - (time.monotonic() - ended))
            worked = time.thread_time()
            self._began = time.monotonic()
            self._look(signals, anew=anew)
            self._began = None
            ended = time.monotonic()
            tired = min(tired + time.thread_time() - worked, _BURST + _REST)
            if anew:
                slow = Due(ended + self._every, anew=True)
            soon = [due for due in soon if due.at > ended or (due.anew and not anew)]
            if self._put_off:  # also where what was heard turns out to be nothing
                soon.append(Due(ended, anew=False))
            due = min([slow, *soon])
            earliest = ended + max(_APART, tired - _BURST)
            heard = self._noticed(signals, earliest, due.at)
            now = time.monotonic()
            anew = due.anew and now >= due.at
            if heard:
                # One anew is not put off by further signals.
                soon = [due for due in soon if due.anew][:1]
                soon += [Due(now + later, anew=later > _SOON[0]) for later in _SOON]
            else:
                signals.renew()

    def _close_wake(self) -> None:
        if self._wake >= 0:
            os.close(self._wake)
        self._wake = -1

    def _noticed(self, signals: EventSources, earliest: float, due: float) -> bool:
        """Waits for the time of the next look; whether a signal is the reason for it."""
        heard = False
        while not self.stopped:
            left = (earliest if heard else max(earliest, due)) - time.monotonic()
            if left <= 0:
                break
            heard |= signals.wait(left if self._wake >= 0 else min(left, _UNWOKEN))
        return heard

    def _look(self, signals: EventSources, *, anew: bool) -> None:
        before = self.seen
        domains = before.domains
        put_off, self._put_off = self._put_off, 0
        try:
            found, problems = self._look_for(anew)
            if self.stopped:
                return
            if put_off < _PUT_OFF and signals.definitions_changed():
                self._put_off = put_off + 1
                return
            domains = tuple(found)
            signals.follow(domains)
            if self._told is not None:
                self._told(domains)
        except Exception as error:  # whatever it is: the next look may do better, and without one there is no watch
            problems = (error if isinstance(error, Error) else Error(f"the last look failed: {error!r}"),)
        changes = before.changes + (domains != before.domains or before.changes == 0)
        with self.news:
            self.seen = Seen(changes, domains, (*problems, *signals.problems))
            self.news.notify_all()


def _eventfd() -> int:
    """What wakes the thread; -1 where no descriptor is left for it."""
    try:
        return os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    except OSError:
        return -1
