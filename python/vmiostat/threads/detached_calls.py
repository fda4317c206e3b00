"""Calls that may never return: each on a daemon thread of its own, and none twice at a time."""

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, wait
from typing import TypeVar

from vmiostat.threads.signal_mask import block_signals_in_this_thread

Answer = TypeVar("Answer")


class CallTimeout(Exception):
    """The call has not returned in time, or was not even begun."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        """For how long it has been out; None: it waits for a thread, since none of the others has returned."""


class DetachedCalls:
    """At most `limit` calls are out at a time, those included that nobody waits for any more.

    No thread pool: Python joins a pool's threads when it ends, and one that never returns would keep the process alive.
    """

    def __init__(self, limit: int, thread: str = "vmiostat-libvirt") -> None:
        self.limit = limit
        self._thread = thread
        self._out: dict[Hashable, float] = {}
        self._lock = threading.Lock()

    def waiting(self, key: Hashable) -> float | None:
        """For how many seconds the call of this name has been out; None: it is not."""
        with self._lock:
            since = self._out.get(key)
        return None if since is None else time.monotonic() - since

    def start(self, key: Hashable, call: Callable[[], Answer]) -> Future[Answer] | None:
        """Begins the call; None where it is out already, or no thread is to be had for it."""
        with self._lock:
            if key in self._out or len(self._out) >= self.limit:
                return None
            self._out[key] = time.monotonic()
        future: Future[Answer] = Future()
        thread = threading.Thread(target=self._run, args=(key, call, future), name=self._thread, daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the process has no more threads, or is about to end
            self._ended(key)
            return None
        return future

    def ask(self, key: Hashable, call: Callable[[], Answer], until: float, late: Callable[[], None]) -> Answer:
        """The call's answer, if it comes before that time (time.monotonic); else `late` is called once it has come.

        Raises CallTimeout, or what the call raises.
        """
        future = self.start(key, call)
        if future is None:
            raise CallTimeout(self.waiting(key))
        wait([future], max(0.0, until - time.monotonic()))
        if not future.done():
            seconds = self.waiting(key)
            future.add_done_callback(lambda _: late())
            raise CallTimeout(seconds)
        return future.result()

    def _run(self, key: Hashable, call: Callable[[], Answer], future: Future[Answer]) -> None:
        block_signals_in_this_thread()
        try:
            answer = call()
        except BaseException as error:
            self._ended(key)
            future.set_exception(error)
        else:
            self._ended(key)
            future.set_result(answer)

    def _ended(self, key: Hashable) -> None:
        with self._lock:
            del self._out[key]
