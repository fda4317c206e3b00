"""Keeps a connection to libvirt open: opened when first needed, and after each loss again, with growing pauses."""

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

_left_alone: list[Session] = []
"""Sessions of the process that this one is a fork of."""

_to_close: list[Session] = []
"""Those that no thread was to be had for; they are closed beside the next one."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0
"""Seconds between two attempts; each pause is twice as long as the one before."""


class Link:
    """The newest session. Threads that still open one hold this, and not the LibvirtConnection that it belongs to."""

    def __init__(self, uri: str, calls: DetachedCalls, changes: Changes, *, events: bool) -> None:
        self._uri, self._calls, self._changes, self._events = uri, calls, changes, events
        self._lock = threading.RLock()  # `end` may be called by the garbage collector, anywhere
        self._session: Session | None = None
        self._ended = False
        self._worked = True
        self._in_vain = 0
        self._next_attempt = 0.0
        self._problem = TopologyError("the connection was lost as soon as it was there", uri)
        self._alarm: threading.Timer | None = None
        register_after_fork(self)

    def forked(self) -> None:
        """In a fork it is ended. The session is left alone: to close it would be said on the first process's socket."""
        self._lock = threading.RLock()
        self._ended = True
        if self._session is not None:
            _left_alone.append(self._session)
            self._session = None

    def session(self, roots: Roots, until: float) -> Session:
        """An open session, opened now if need be, before that time. Raises TopologyError."""
        if self._ended:
            raise TopologyError("this LibvirtConnection was closed", self._uri)
        session = self._open_session()
        if session is not None:
            return session
        left = self._next_attempt - time.monotonic()
        if left > 0:
            self._look_again(left)
            raise self._problem.with_traceback(None)
        try:
            libvirt = load(self._uri)
            session = self._calls.run("open", partial(self._open, libvirt, roots), until, self._changes.note)
        except CallTimeout as error:
            # The answer will bring the next look.
            raise TopologyError(no_answer(error, "the connection is not open"), self._uri) from None
        except Exception as error:
            self._look_again(self._pause())
            if not isinstance(error, TopologyError):
                error = TopologyError(f"cannot connect: {sentence(error)}", self._uri)
            self._problem = error
            raise error from None
        return session

    def works(self) -> None:
        """The session has given an answer: when it is lost, there is no pause before the next one."""
        self._in_vain, self._next_attempt = 0, 0.0
        self._worked = True

    def end(self) -> None:
        """Closes the session, or the one that is being opened; nobody waits for it."""
        with self._lock:
            self._ended = True
            session, self._session = self._session, None
        if session is not None:
            _close(session)

    def _open_session(self) -> Session | None:
        with self._lock:
            session = self._session
            if session is None or (not session.lost and session.tells_events >= self._wants_events):
                return session
            self._session = None
        _close(session)
        if session.lost and not self._worked:
            self._pause()
        return None

    @property
    def _wants_events(self) -> bool:
        """Whether somebody listens. Until then no event loop is needed, and a session cannot get one later."""
        return self._events and self._changes.listened_to

    def _open(self, libvirt: Any, roots: Roots) -> Session:
        session = Session(libvirt, self._uri, self._changes, roots, events=self._wants_events)
        with self._lock:
            if not self._ended:
                self._session, self._worked = session, False
                return session
        session.close()
        raise TopologyError("the connection was closed while it was opened", self._uri)

    def _pause(self) -> float:
        """How long no attempt is made after another one in vain."""
        pause = min(_FIRST_PAUSE * (1 << self._in_vain), _LONGEST_PAUSE)
        self._in_vain = min(self._in_vain + 1, 16)
        self._next_attempt = time.monotonic() + pause
        return pause

    def _look_again(self, seconds: float) -> None:
        """Tells listeners when the next attempt is due. Without one, whoever looks next makes it."""
        if self._changes.listened_to and (self._alarm is None or not self._alarm.is_alive()):
            self._alarm = threading.Timer(seconds, self._changes.note)
            self._alarm.daemon = True
            with suppress(RuntimeError):  # no thread is to be had for it
                self._alarm.start()


def no_answer(error: CallTimeout, so: str) -> str:
    """For how long libvirt has not answered, and what that means."""
    if error.seconds is None:
        return f"libvirt has not answered other calls, and is asked no more until it does: {so}"
    return f"libvirt has not answered for {error.seconds:.0f} s: {so}"


def _close(session: Session) -> None:
    """Beside everything, in a thread of its own: also this asks libvirtd, which may not answer."""
    _to_close.append(session)
    with suppress(IndexError):  # until none is left
        while True:
            one = _to_close.pop()
            try:
                threading.Thread(target=one.close, name="vmiostat-libvirt-close", daemon=True).start()
            except RuntimeError:
                _to_close.append(one)
                break


def _leave_alone() -> None:
    _left_alone.extend(_to_close)
    _to_close.clear()


os.register_at_fork(after_in_child=_leave_alone)
