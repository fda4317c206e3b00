"""A call that may never return, with a descriptor to select on."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from vmiostat.qemu_stats.client import QueryError

Result = TypeVar("Result")


class PendingCall(Generic[Result]):
    """A call on a thread of its own. Its descriptor becomes readable once the call has returned."""

    def __init__(self, start: Callable[[], Future[Result] | None]) -> None:
        """`start` begins the call, or returns None if it cannot: that raises QueryError. Also raises OSError, and what
        `start` raises.
        """
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()
        self._returned = self._closed = False
        try:
            future = start()
            if future is None:
                raise QueryError("no thread can start for the query, or too many earlier calls have not returned")
        except BaseException:
            os.close(self._descriptor)
            raise
        self.future = future
        future.add_done_callback(self._has_returned)

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        """The call cannot be cancelled, so the descriptor stays open until it returns."""
        with self._lock:
            self._closed = True
            if self._returned:
                os.close(self._descriptor)

    def _has_returned(self, _: Future[Result]) -> None:
        with self._lock:
            self._returned = True
            if self._closed:
                os.close(self._descriptor)
            else:
                os.eventfd_write(self._descriptor, 1)
