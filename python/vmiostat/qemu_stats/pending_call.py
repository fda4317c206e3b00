"""A call that may never return, as something to select for."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from vmiostat.qemu_stats.client import QueryError

Answer = TypeVar("Answer")


class PendingCall(Generic[Answer]):
    """A call in a thread of its own. Its descriptor can be read once it has returned."""

    def __init__(self, start: Callable[[], Future[Answer] | None]) -> None:
        """`start` begins the call; None means it could not: QueryError. Also raises OSError, and as `start` does."""
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()
        self._returned = self._closed = False
        try:
            future = start()
            if future is None:
                raise QueryError("there is no thread to ask it in, or too many calls have not returned")
        except BaseException:
            os.close(self._descriptor)
            raise
        self.future = future
        future.add_done_callback(self._has_returned)

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        """A call cannot be taken back: the descriptor is its own until it returns."""
        with self._lock:
            self._closed = True
            if self._returned:
                os.close(self._descriptor)

    def _has_returned(self, _: Future[Answer]) -> None:
        with self._lock:
            self._returned = True
            if self._closed:
                os.close(self._descriptor)
            else:
                os.eventfd_write(self._descriptor, 1)
