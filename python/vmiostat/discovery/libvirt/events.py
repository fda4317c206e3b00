"""Which domains have changed according to libvirt's events, for watches and for the next scan."""

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
    "VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2",  # when a job ends, the disk may have another source
    "VIR_DOMAIN_EVENT_ID_DISK_CHANGE",
    "VIR_DOMAIN_EVENT_ID_TRAY_CHANGE",
)
"""Events after which a domain's XML may have changed. An external snapshot sends none (in libvirt 9.0)."""


class Changes:
    """Collects what callbacks report, from any thread. Callbacks refer to this object and to no connection."""

    def __init__(self) -> None:
        # Reentrant: the garbage collector may close a listener in the middle of any line here.
        self.lock = threading.RLock()
        self._listeners: weakref.WeakSet[Listener] = weakref.WeakSet()
        self._new: set[str] = set()
        self._drained: set[str] | None = None
        """Changes that made a listener scan; None if no listener was woken."""
        self._everything = False
        register_after_fork(self)

    def forked(self) -> None:
        """A thread that does not exist in the fork may hold the lock."""
        self.lock = threading.RLock()

    def note(self, domains: Collection[str] = (), *, everything: bool = False) -> None:
        """The domains of these UUIDs have changed, or all may have; without either it is only time to scan."""
        with self.lock:
            if self.listened_to:
                self._new.update(domains)
            else:  # it would grow for ever
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
        """A listener was woken, and its watch is about to scan."""
        with self.lock:
            self._drained = (self._drained or set()) | self._new
            self._new = set()

    def take(self) -> set[str] | None:
        """The domains whose XML a scan has to read again; None: all of them.

        All of them also if no listener was woken: then the scan has another reason than an event.
        """
        with self.lock:
            drained, self._drained = self._drained, None
            everything, self._everything = self._everything, False
            return None if everything else drained


class Listener:
    """An event source (see vmiostat.watching): a descriptor that is readable once something has changed."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        return self._descriptor

    def wake(self) -> None:
        """The caller holds the lock, so that the descriptor is not closed and reused meanwhile."""
        if self._descriptor >= 0:
            with suppress(BlockingIOError):  # the counter is full
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
        if hasattr(self, "_descriptor"):  # unless eventfd() failed
            self.close()
