"""What libvirt tells of by itself: which domains have changed, for whoever watches and for the next look."""

import os
import threading
import weakref
from collections.abc import Collection
from contextlib import suppress

from vmiostat.threads.fork import register_after_fork

DOMAIN_EVENTS = (
    "VIR_DOMAIN_EVENT_ID_LIFECYCLE",
    "VIR_DOMAIN_EVENT_ID_DEVICE_ADDED",
    "VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED",
    "VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2",  # a job's end may leave the disk with another source
    "VIR_DOMAIN_EVENT_ID_DISK_CHANGE",
    "VIR_DOMAIN_EVENT_ID_TRAY_CHANGE",
)
"""Events after which a domain's XML may be another. An external snapshot sends none (seen in libvirt 9.0)."""


class Changes:
    """Collects what callbacks tell, on whatever thread; they hold this, and nothing that holds a connection."""

    def __init__(self) -> None:
        # Re-entrant: a listener that the garbage collector takes away may be closed in the middle of any line here.
        self.lock = threading.RLock()
        self._listeners: weakref.WeakSet[Listener] = weakref.WeakSet()
        self._heard: set[str] = set()
        self._drained: set[str] | None = None
        self._everything = False
        register_after_fork(self)

    def forked(self) -> None:
        """A thread that the fork does not have may hold the lock."""
        self.lock = threading.RLock()

    def note(self, domains: Collection[str] = (), *, everything: bool = False) -> None:
        """These domains (their UUIDs) have changed, or all may have; without either it is only time to look."""
        with self.lock:
            if self.listened_to:
                self._heard.update(domains)
            else:  # nobody collects it, and it would be ever more
                self._everything = True
            self._everything |= everything
            for listener in self._listeners:
                listener.wake()

    def listen(self) -> "Listener":
        listener = Listener(self)
        with self.lock:
            self._listeners.add(listener)
        return listener

    @property
    def listened_to(self) -> bool:
        with self.lock:
            return any(listener.fileno() >= 0 for listener in self._listeners)

    def drained(self) -> None:
        """A listener is about to look because of what was heard."""
        with self.lock:
            self._drained = (self._drained or set()) | self._heard
            self._heard = set()

    def take(self) -> set[str] | None:
        """What a look has to ask for again: the domains that a listener has heard of; None: all of them.

        All, too, where nobody heard anything: who looks then does not look because of an event.
        """
        with self.lock:
            drained, self._drained = self._drained, None
            everything, self._everything = self._everything, False
            return None if everything else drained


class Listener:
    """A descriptor that can be read once something has changed: a signal, see vmiostat.watching."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        return self._descriptor

    def wake(self) -> None:
        """The caller holds the lock, so that the descriptor is no other file's meanwhile."""
        if self._descriptor >= 0:
            with suppress(BlockingIOError):  # it has been woken up 2^64 times
                os.eventfd_write(self._descriptor, 1)

    def drain(self) -> bool:
        try:
            os.eventfd_read(self._descriptor)
        except BlockingIOError:
            return False
        self._changes.drained()
        return True

    def close(self) -> None:
        with self._changes.lock:
            descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):  # not where eventfd() failed
            self.close()
