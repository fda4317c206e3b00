"""Running domains as libvirt tells of them: over its socket, or any other way that a URI names (as in `virsh -c URI`).

Needs the Python module libvirt (`pip install 'vmiostat[libvirt]'`) and a socket that it may open; read-only is enough.
It is asked only where somebody wants it to be: `Host(libvirt="qemu:///system")`, `vmiostat -c qemu:///system`.

Nothing that libvirtd does or fails to do holds a look up for longer than its deadline, nor the process's end. What it
does not answer in time goes on by itself and is not asked again meanwhile; what was known before stands.
"""

import threading
import time
import weakref
from collections.abc import Collection

from vmiostat._core import Roots
from vmiostat.discovery.libvirt.definitions import Definitions
from vmiostat.discovery.libvirt.errors import sentence
from vmiostat.discovery.libvirt.events import Changes, Listener
from vmiostat.discovery.libvirt.known import PROVIDER as PROVIDER
from vmiostat.discovery.libvirt.link import Link, no_answer
from vmiostat.discovery.libvirt.session import Session
from vmiostat.discovery.provider import Found
from vmiostat.errors import TopologyError
from vmiostat.threads.detached_calls import CallTimeout, DetachedCalls
from vmiostat.threads.fork import register_after_fork

_MOST_CALLS = 4
"""At a time. libvirtd has 20 workers, unless it is set otherwise, and others need them too."""
_BY_EVENT = 0.5
"""Seconds that a look waits which an event brought: others wait for it, and a late answer brings a look of its own."""
_EVERYTHING = 10.0
"""Seconds after which a look asks for all domains whatever events said: an external snapshot, for one, sends none."""


class LibvirtConnection:
    """A connection to libvirt by its URI, read-only, opened when it is first asked and again whenever it was lost.

    `deadline` is how many seconds a look at all domains may take. With `events`, libvirt tells of changes to whoever
    watches. For that it needs an event loop: one that the program has registered before is used, and is the program's
    to run; else libvirt's own is registered and runs in a daemon thread. That one runs GLib's default main context: a
    program that runs it itself (GTK) either registers a loop with libvirt first, or does without events.

    May be used from several threads, but not in a process that was forked from the one that made it.
    """

    def __init__(self, uri: str, *, deadline: float = 5.0, events: bool = True) -> None:
        if not deadline > 0:
            raise ValueError(f"deadline is a number of seconds above 0, not {deadline!r}")
        self.uri = uri
        self._deadline = deadline
        self._changes = Changes()
        self._calls = DetachedCalls(_MOST_CALLS)
        self._link = Link(uri, self._calls, self._changes, events=events)
        self._definitions = Definitions(uri, self._calls, self._changes)
        self._one_look = threading.Lock()
        self._session: Session | None = None
        self._told = self._told_all = 0.0
        # Not at the interpreter's end: the kernel closes the socket, and to ask libvirtd for it may take for ever.
        self._end = weakref.finalize(self, self._link.end)
        self._end.atexit = False
        register_after_fork(self)

    def forked(self) -> None:
        """In a fork it is closed (see Link), and the thread that looked is not there to let others look."""
        self._one_look = threading.Lock()

    def domains(self, roots: Roots) -> Found:
        """The running domains. Where libvirt does not answer: those that it told of before, and a problem says so."""
        until = time.monotonic() + self._deadline
        with self._one_look:
            try:
                problems = self._look(roots, until)
            except TopologyError as problem:
                self._session = None  # what changed meanwhile may have been told to nobody
                self._definitions.drop_ended(roots)
                problems = [self._with_what_stands(problem)]
            return self._definitions.found(problems)

    def changes(self) -> Listener:
        """Tells when to look again: a signal (see vmiostat.watching) for each who asks for one."""
        return self._changes.listen()

    def close(self) -> None:
        """Ends the connection; nobody waits for libvirtd to notice."""
        self._end()

    def _look(self, roots: Roots, until: float) -> list[TopologyError]:
        changed = self._changes.take()
        once_more = True
        while True:
            session = self._link.session(roots, until)
            try:
                return self._look_by(session, changed, roots, until)
            except CallTimeout as error:
                raise TopologyError(no_answer(error, "which domains run is not known"), self.uri) from None
            except Exception as error:
                # One that was lost since it was last used is worth a second one.
                if not (session.lost and once_more):
                    raise TopologyError(f"cannot tell which domains run: {sentence(error)}", self.uri) from error
                once_more = False

    def _look_by(
        self, session: Session, changed: Collection[str] | None, roots: Roots, until: float
    ) -> list[TopologyError]:
        running = self._calls.run("domains", session.running, until, self._changes.note)
        self._link.works()
        now = time.monotonic()
        if changed is None or session is not self._session or now - self._told_all > _EVERYTHING:
            changed, self._told_all = None, now
        else:
            until = min(until, now + _BY_EVENT)
        problems = self._definitions.update(session, running, changed, roots, until)
        self._session, self._told = session, now
        return problems

    def _with_what_stands(self, problem: TopologyError) -> TopologyError:
        if not len(self._definitions):
            return problem
        stands = f"{len(self._definitions)} domains stand as they were {time.monotonic() - self._told:.0f} s ago"
        return TopologyError(f"{problem.reason}; {stands}", problem.path, problem.line)
