"""Calls that may never return, each on a daemon thread of its own."""

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, wait
from typing import TypeVar

from vmiostat.threads.signal_mask import start_without_signals

Result = TypeVar("Result")


class CallTimeout(Exception):
    """The call did not return in time, or could not start."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        """How long it has been running; None: it could not start, because no thread was left for it."""


class DetachedCalls:
    """Runs at most `limit` calls at a time, including those that have timed out; at most one for each key.

    Not a thread pool: Python joins a pool's threads at exit, so a call that never returns would keep the process alive.
    """

    def __init__(self, limit: int, thread: str = "vmiostat-libvirt") -> None:
        self.limit = limit
        self._thread = thread
        self._started: dict[Hashable, float] = {}
        self._lock = threading.Lock()

    def running_for(self, key: Hashable) -> float | None:
        """For how many seconds the call with this key has been running; None: it is not running."""
        with self._lock:
            started = self._started.get(key)
        return None if started is None else time.monotonic() - started

    def start(self, key: Hashable, call: Callable[[], Result]) -> Future[Result] | None:
        """Starts the call; None if one with this key is running, the limit is reached, or no thread can start."""
        with self._lock:
            if key in self._started or len(self._started) >= self.limit:
                return None
            self._started[key] = time.monotonic()
        future: Future[Result] = Future()
        thread = threading.Thread(target=self._work, args=(key, call, future), name=self._thread, daemon=True)
        try:
            start_without_signals(thread)
        except RuntimeError:  # the process can have no more threads, or is about to end
            self._forget(key)
            return None
        return future

    def run(self, key: Hashable, call: Callable[[], Result], until: float, on_late: Callable[[], None]) -> Result:
        """Runs the call and returns its result, if it comes before `until` (time.monotonic).

        Otherwise raises CallTimeout, and calls `on_late` once the call has returned. Raises what the call raises.
        """
        future = self.start(key, call)
        if future is None:
            raise CallTimeout(self.running_for(key))
        wait([future], max(0.0, until - time.monotonic()))
        if not future.done():
            seconds = self.running_for(key)
            future.add_done_callback(lambda _: on_late())
            raise CallTimeout(seconds)
        return future.result()

    def _work(self, key: Hashable, call: Callable[[], Result], future: Future[Result]) -> None:
        try:
            result = call()
        except BaseException as error:
            self._forget(key)
            future.set_exception(error)
        else:
            self._forget(key)
            future.set_result(result)

    def _forget(self, key: Hashable) -> None:
        with self._lock:
            del self._started[key]
