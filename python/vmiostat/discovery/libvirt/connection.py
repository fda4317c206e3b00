"""Running domains over a connection to libvirt: its socket, or any other transport in a URI (as in `virsh -c URI`).

Needs the Python module libvirt (`pip install 'vmiostat[libvirt]'`) and a socket that it may open; read-only is enough.
It is used only on request: `Host(libvirt="qemu:///system")`, `vmiostat -c qemu:///system`.

A scan waits for libvirtd no longer than its deadline, and the end of the process does not wait for it at all. A late
call goes on in the background and is not repeated meanwhile; until it returns, what was known before is kept.
"""

import threading
import time
import weakref
from collections.abc import Collection

from vmiostat._core import Roots
from vmiostat.discovery.libvirt.definitions import Definitions
from vmiostat.discovery.libvirt.errors import sentence
from vmiostat.discovery.libvirt.events import Changes, Listener
from vmiostat.discovery.libvirt.link import Link, no_answer
from vmiostat.discovery.libvirt.session import Session
from vmiostat.discovery.provider import Found
from vmiostat.errors import TopologyError
from vmiostat.threads.detached_calls import CallTimeout, DetachedCalls
from vmiostat.threads.fork import register_after_fork

_MAX_CALLS = 4
"""At a time. By default libvirtd has 20 workers, for all of its clients."""
_EVENT_TIMEOUT = 0.5
"""Seconds that a scan after an event waits for XML. A late answer brings a scan of its own."""
_FULL_INTERVAL = 10.0
"""Seconds after which all XML is read again, whatever the events: an external snapshot, for one, sends none."""


class LibvirtConnection:
    """A read-only connection to libvirt by its URI, opened when it is first used and again whenever it is lost.

    `deadline` is how many seconds a scan of all domains may take. With `events`, watches follow libvirt's events. That
    takes an event loop. One that the program has registered before is used, and the program must run it; otherwise
    libvirt's own is registered and run in a daemon thread. libvirt's own runs GLib's default main context: a program
    that runs that itself (GTK) must either register a loop with libvirt first or do without events.

    May be used from several threads. In a fork of its process it is closed.
    """

    def __init__(self, uri: str, *, deadline: float = 5.0, events: bool = True) -> None:
        if not deadline > 0:
            raise ValueError(f"deadline is a number of seconds above 0, not {deadline!r}")
        self.uri = uri
        self._deadline = deadline
        self._changes = Changes()
        self._calls = DetachedCalls(_MAX_CALLS)
        self._link = Link(uri, self._calls, self._changes, events=events)
        self._definitions = Definitions(uri, self._calls, self._changes)
        self._one_scan = threading.Lock()
        self._session: Session | None = None
        """That of the last scan."""
        self._updated = self._all_updated = 0.0
        """When the definitions were last updated, and when all of them were."""
        # Not at interpreter exit: the kernel closes the socket, and closing it through libvirtd could take for ever.
        self._end = weakref.finalize(self, self._link.end)
        self._end.atexit = False
        register_after_fork(self)

    def forked(self) -> None:
        """Closed in a fork (see Link), where the thread that may hold the lock does not exist."""
        self._one_scan = threading.Lock()

    def domains(self, roots: Roots) -> Found:
        """The running domains; if libvirt does not answer, the last known ones, with a problem that says so."""
        until = time.monotonic() + self._deadline
        with self._one_scan:
            try:
                problems = self._scan(roots, until)
            except TopologyError as problem:
                self._session = None  # events may have been missed
                self._definitions.drop_ended(roots)
                problems = [self._with_known(problem)]
            return self._definitions.found(problems)

    def changes(self) -> Listener:
        """An event source (see vmiostat.watching) for libvirt's events."""
        return self._changes.listen()

    def close(self) -> None:
        """Closes the connection without waiting for libvirtd."""
        self._end()

    def _scan(self, roots: Roots, until: float) -> list[TopologyError]:
        changed = self._changes.take()
        retry = True
        while True:
            session = self._link.session(roots, until)
            try:
                return self._scan_over(session, changed, roots, until)
            except CallTimeout as error:
                raise TopologyError(no_answer(error, "which domains run is not known"), self.uri) from None
            except Exception as error:
                # A connection that was lost since its last use is reopened once.
                if not (session.lost and retry):
                    raise TopologyError(f"cannot list the running domains: {sentence(error)}", self.uri) from error
                retry = False

    def _scan_over(
        self, session: Session, changed: Collection[str] | None, roots: Roots, until: float
    ) -> list[TopologyError]:
        running = self._calls.run("domains", session.running, until, self._changes.note)
        self._link.works()
        now = time.monotonic()
        if changed is None or session is not self._session or now - self._all_updated > _FULL_INTERVAL:
            changed, self._all_updated = None, now
        else:
            until = min(until, now + _EVENT_TIMEOUT)
        problems = self._definitions.update(session, running, changed, roots, until)
        self._session, self._updated = session, now
        return problems

    def _with_known(self, problem: TopologyError) -> TopologyError:
        if not len(self._definitions):
            return problem
        known = f"{len(self._definitions)} domains are shown as of {time.monotonic() - self._updated:.0f} s ago"
        return TopologyError(f"{problem.reason}; {known}", problem.path, problem.line)
