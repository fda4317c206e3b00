"""The thread that scans for domains: at once after an event, again soon after that, and at an interval in any case."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from vmiostat.errors import Error
from vmiostat.model import Domain
from vmiostat.threads.fork import register_after_fork
from vmiostat.threads.signal_mask import start_without_signals
from vmiostat.watching.event_sources import EventSources

_MIN_PAUSE = 0.01
"""Seconds between two scans: events come in bursts."""
_RESCANS = (0.1, 0.5, 2.0, 6.0)
"""Seconds after an event at which to rescan. Some changes come late and without an event: libvirt writes the file of a
domain before the domain runs, and a Xen backend has no counters until the guest's driver has connected. The first one
is not a full scan, because that would delay the rows of a hot-plug that is still in progress."""
_BURST, _MAX_PAUSE = 0.2, 1.0
"""Seconds of CPU time without a pause, and of the longest pause. While changes never end, scans use half of a CPU."""
_MAX_DISCARDED = 3
"""Scans in a row that are discarded. One during which a domain's file was written may have read the old file and found
another disk at its path; the next scan follows at once."""
_JOIN = 0.5
"""Seconds that `stop` waits for a scan to end. One that hangs ends later, and does no harm."""
_SLOW = 5.0
"""Seconds after which a scan that has not ended is a problem. libvirt has as long to answer."""
_STOP_CHECK = 0.1
"""Seconds between checks for `stop` in a thread that cannot be woken."""

Found = tuple[Sequence[Domain], Sequence[Error]]
Scan = Callable[[bool], Found]
"""Finds the domains: in a full scan (True) everywhere, else only where an event may have announced a change."""
OnChange = Callable[[tuple[Domain, ...]], None]


class ScheduledScan(NamedTuple):
    """A scan that needs no event."""

    at: float
    full: bool


class ScanResult(NamedTuple):
    """What the last scan found."""

    changes: int = 0
    domains: tuple[Domain, ...] = ()
    problems: tuple[Error, ...] = ()


class Scanner:
    """Scans for domains in a thread of its own, so that no other thread waits for a scan.

    `on_change` is called in this thread after each scan, before other threads see the result. An exception of a scan or
    of `on_change` becomes a problem, and the thread goes on.
    """

    def __init__(
        self,
        scan: Scan,
        event_sources: Callable[[], EventSources],
        interval: float,
        on_change: OnChange | None = None,
    ) -> None:
        self._scan, self._open_event_sources = scan, event_sources
        self._interval, self._on_change = interval, on_change
        self.result = ScanResult()
        self.stopped = False
        self._began: float | None = None
        """When the scan in progress began."""
        self._discarded = 0
        self.changed = threading.Condition()
        """Notified when `result.changes` or `stopped` changes."""
        register_after_fork(self)
        self._wake = _eventfd()
        self._thread = threading.Thread(target=self._run, name="vmiostat-scan", daemon=True)
        try:
            start_without_signals(self._thread)
        except RuntimeError as error:
            del self._thread  # a reference cycle
            self._close_wake()
            raise Error(f"changes cannot be followed, because no thread can start: {error}") from error

    @property
    def problems(self) -> tuple[Error, ...]:
        """Those of the last scan, and whether one hangs."""
        began, problems = self._began, self.result.problems
        seconds = 0.0 if began is None else time.monotonic() - began
        if seconds < _SLOW:
            return problems
        slow = f"a scan has been in progress for {seconds:.0f} s, because something that it reads does not answer"
        return (*problems, Error(f"{slow}: changes since then are not known yet"))

    def forked(self) -> None:
        """In a fork it is stopped, because its thread does not exist there."""
        self.stopped = True
        self._began = None
        self.changed = threading.Condition()
        self._wake = -1

    def stop(self) -> None:
        """Ends the thread, once the scan in progress has ended."""
        with self.changed:
            self.stopped = True
            self.changed.notify_all()
            if self._wake >= 0:
                os.eventfd_write(self._wake, 1)
        if self._thread is not threading.current_thread():
            self._thread.join(_JOIN)

    def _run(self) -> None:
        events: EventSources | None = None
        try:
            events = self._open_event_sources()
            if self._wake >= 0:
                events.wake_by(self._wake)
            self._scan_until_stopped(events)
        except BaseException as error:  # a bug in vmiostat: users must be able to see that the thread has ended
            self.result = self.result._replace(problems=(Error(f"changes are no longer followed: {error!r}"),))
        finally:
            with self.changed:
                self.stopped = True
                self._close_wake()
                self.changed.notify_all()
            if events is not None:
                events.close()

    def _scan_until_stopped(self, events: EventSources) -> None:
        rescans: list[ScheduledScan] = []
        full, cpu_debt = True, 0.0
        ended, cpu_time = time.monotonic(), time.thread_time()
        regular = ScheduledScan(ended, full=True)
        while not self.stopped:
            reading = time.thread_time() - cpu_time
            cpu_debt = max(0.0, cpu_debt - (time.monotonic() - ended - reading)) + reading
            cpu_time += reading
            self._began = time.monotonic()
            self._scan_once(events, full=full)
            self._began = None
            ended = time.monotonic()
            scanning = time.thread_time() - cpu_time
            cpu_debt = min(cpu_debt + scanning, _BURST + _MAX_PAUSE)
            cpu_time += scanning
            if full:
                regular = ScheduledScan(ended + self._interval, full=True)
            rescans = [scan for scan in rescans if scan.at > ended or (scan.full and not full)]
            if self._discarded:  # even if the pending event changes nothing
                rescans.append(ScheduledScan(ended, full=False))
            scheduled = min([regular, *rescans])
            earliest = ended + max(_MIN_PAUSE, cpu_debt - _BURST)
            event = self._wait(events, earliest, scheduled.at)
            now = time.monotonic()
            full = scheduled.full and now >= scheduled.at
            if event:
                # Further events do not put off the next full scan.
                rescans = [scan for scan in rescans if scan.full][:1]
                rescans += [ScheduledScan(now + later, full=later > _RESCANS[0]) for later in _RESCANS]
            else:
                events.renew()

    def _close_wake(self) -> None:
        if self._wake >= 0:
            os.close(self._wake)
        self._wake = -1

    def _wait(self, events: EventSources, earliest: float, scheduled: float) -> bool:
        """Waits until it is time for the next scan; returns whether that is because of an event."""
        cpu_time = time.thread_time()
        while not self.stopped:
            left = max(earliest, scheduled) - time.monotonic()
            if left <= 0:
                return False
            if events.wait(left if self._wake >= 0 else min(left, _STOP_CHECK)):
                # More of them change nothing: they wait for the scan, unread, or are dropped by the kernel.
                self._rest(earliest - time.monotonic())
                events.wait(0.0)
                return True
            spent = time.thread_time() - cpu_time
            if spent > _BURST:  # messages without end that announce nothing
                self._rest(min(spent, left))
                cpu_time = time.thread_time()
        return False

    def _rest(self, seconds: float) -> None:
        """Waits that long, or until `stop`, and reads no events."""
        with self.changed:
            self.changed.wait_for(lambda: self.stopped, seconds)

    def _scan_once(self, events: EventSources, *, full: bool) -> None:
        before = self.result
        domains = before.domains
        discarded, self._discarded = self._discarded, 0
        try:
            found, problems = self._scan(full)
            if self.stopped:
                return
            if discarded < _MAX_DISCARDED and events.definitions_changed():
                self._discarded = discarded + 1
                return
            domains = tuple(found)
            events.follow(domains)
            if self._on_change is not None:
                self._on_change(domains)
        # Whatever it is, also a panic of the core, which is no Exception: the next scan may succeed.
        except BaseException as error:
            problems = (error if isinstance(error, Error) else Error(f"the last scan failed: {error!r}"),)
        changes = before.changes + (domains != before.domains or before.changes == 0)
        with self.changed:
            self.result = ScanResult(changes, domains, (*problems, *events.problems))
            self.changed.notify_all()


def _eventfd() -> int:
    """A descriptor that wakes the thread; -1 if none is left."""
    try:
        return os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    except OSError:
        return -1
