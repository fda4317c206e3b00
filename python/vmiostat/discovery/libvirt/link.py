"""Keeps a connection to libvirt open: opens it when it is first needed and, with growing pauses, after each loss."""

import os
import threading
import time
from contextlib import suppress
from functools import partial
from typing import Any

from vmiostat._core import Roots
from vmiostat.discovery.libvirt.errors import sentence
from vmiostat.discovery.libvirt.events import Changes
from vmiostat.discovery.libvirt.module import load
from vmiostat.discovery.libvirt.session import Session
from vmiostat.errors import TopologyError
from vmiostat.threads.detached_calls import CallTimeout, DetachedCalls
from vmiostat.threads.fork import register_after_fork
from vmiostat.threads.signal_mask import start_without_signals

_inherited: list[Session] = []
"""Sessions of the process that this one is a fork of. They are kept, since dropping one would close it."""

_to_close: list[Session] = []
"""Sessions for which no thread could start; they are closed along with the next one."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0
"""Seconds between two attempts; each pause is twice as long as the one before."""


class Link:
    """The current session. A thread that opens one refers to this object, not to its LibvirtConnection."""

    def __init__(self, uri: str, calls: DetachedCalls, changes: Changes, *, events: bool) -> None:
        self._uri, self._calls, self._changes, self._events = uri, calls, changes, events
        self._lock = threading.RLock()  # the garbage collector may call `end` anywhere
        self._session: Session | None = None
        self._ended = False
        self._worked = True
        self._failures = 0
        self._next_attempt = 0.0
        self._problem = TopologyError("the connection was lost as soon as it was open", uri)
        self._alarm: threading.Timer | None = None
        register_after_fork(self)

    def forked(self) -> None:
        """Ended in a fork. The session stays open: the parent process uses it, and the socket is the same."""
        self._lock = threading.RLock()
        self._ended = True
        if self._session is not None:
            _inherited.append(self._session)
            self._session = None

    def session(self, roots: Roots, until: float) -> Session:
        """An open session, opened now if necessary, until the given time. Raises TopologyError."""
        if self._ended:
            raise TopologyError("this LibvirtConnection was closed", self._uri)
        session = self._open_session()
        if session is not None:
            return session
        left = self._next_attempt - time.monotonic()
        if left > 0:
            self._rescan_in(left)
            raise self._problem.with_traceback(None)
        try:
            libvirt = load(self._uri)
            session = self._calls.run("open", partial(self._open, libvirt, roots), until, self._changes.note)
        except CallTimeout as error:
            # The answer will bring the next scan.
            raise TopologyError(no_answer(error, "the connection is not open"), self._uri) from None
        except Exception as error:
            self._rescan_in(self._pause())
            if not isinstance(error, TopologyError):
                error = TopologyError(f"cannot connect: {sentence(error)}", self._uri)
            self._problem = error
            raise error from None
        return session

    def works(self) -> None:
        """The session has answered: if it is lost, there is no pause before the next one."""
        self._failures, self._next_attempt = 0, 0.0
        self._worked = True

    def end(self) -> None:
        """Closes the session, also one that is just being opened, without waiting for it."""
        with self._lock:
            self._ended = True
            session, self._session = self._session, None
        if session is not None:
            _close(session)

    def _open_session(self) -> Session | None:
        with self._lock:
            session = self._session
            if session is None or (not session.lost and session.has_events >= self._wants_events):
                return session
            self._session = None
        _close(session)
        if session.lost and not self._worked:
            self._pause()
        return None

    @property
    def _wants_events(self) -> bool:
        """Whether there is a listener. Before, no event loop is needed; a session cannot get events later."""
        return self._events and self._changes.listened_to

    def _open(self, libvirt: Any, roots: Roots) -> Session:
        session = Session(libvirt, self._uri, self._changes, roots, events=self._wants_events)
        with self._lock:
            if not self._ended:
                self._session, self._worked = session, False
                return session
        session.close()
        raise TopologyError("the connection was closed while it was being opened", self._uri)

    def _pause(self) -> float:
        """Counts a failure. Returns the time until the next attempt."""
        pause = min(_FIRST_PAUSE * (1 << self._failures), _LONGEST_PAUSE)
        self._failures = min(self._failures + 1, 16)
        self._next_attempt = time.monotonic() + pause
        return pause

    def _rescan_in(self, seconds: float) -> None:
        """Wakes listeners when the next attempt is due. Without any, the next scan makes it."""
        if self._changes.listened_to and (self._alarm is None or not self._alarm.is_alive()):
            self._alarm = threading.Timer(seconds, self._changes.note)
            self._alarm.daemon = True
            with suppress(RuntimeError):  # no thread can start
                start_without_signals(self._alarm)


def no_answer(error: CallTimeout, consequence: str) -> str:
    """For how long libvirt has not answered, and the consequence."""
    if error.seconds is None:
        return f"libvirt has not answered other calls, and gets no more until it does: {consequence}"
    return f"libvirt has not answered for {error.seconds:.0f} s: {consequence}"


def _close(session: Session) -> None:
    """In a thread of its own, since closing calls libvirtd, which may not answer."""
    _to_close.append(session)
    with suppress(IndexError):  # until the list is empty
        while True:
            one = _to_close.pop()
            try:
                start_without_signals(threading.Thread(target=one.close, name="vmiostat-libvirt-close", daemon=True))
            except RuntimeError:
                _to_close.append(one)
                break


def _inherit() -> None:
    _inherited.extend(_to_close)
    _to_close.clear()


os.register_at_fork(after_in_child=_inherit)
