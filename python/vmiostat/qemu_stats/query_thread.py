"""Queries VMMs at an interval or on demand, in a thread of its own. Each has its deadline, and none waits for another.

A VMM that does not answer in time affects its own disks only: their latest stats turn stale, and it is not queried
again until it has answered. A poll never waits for any of this.
"""

import math
import threading
from collections.abc import Iterable
from typing import Literal

from vmiostat.qemu_stats.client import Client
from vmiostat.qemu_stats.query_loop import QueryLoop
from vmiostat.threads.fork import register_after_fork
from vmiostat.threads.signal_mask import start_without_signals

OnDemand = Literal["on demand"]


class QueryThread:
    """Queries its clients every `interval` seconds, or when `query` is called ("on demand").

    A VMM may take `deadline` seconds to answer. An answer is fresh for two intervals and a deadline, so that it
    outlives one failed query; on demand it is fresh until a query fails.
    """

    def __init__(self, interval: float | OnDemand, deadline: float) -> None:
        self._interval = math.inf if isinstance(interval, str) else interval
        self._deadline = deadline
        # Guards what other threads leave for the query thread.
        self._changed = threading.Condition()
        self._clients: list[Client] = []
        self._clients_changed = self._query_all = False
        self._unsettled: set[Client] = set()
        self._closing = False
        self._loop: QueryLoop | None = None
        self._thread: threading.Thread | None = None
        register_after_fork(self)

    def set_clients(self, clients: Iterable[Client]) -> None:
        """Queries these clients from now on, and no others. Those that it has already keep their schedule; a new one is
        queried at once, unless queries are on demand.
        """
        with self._changed:
            if not self._closing:
                self._clients = list(clients)
                self._clients_changed = True
                self._wake_or_start()

    def query(self, wait: float = 0.0) -> bool:
        """Queries all clients now, except those whose query is in flight, and those that back off after a failure.

        Returns whether all of them have answered or failed within `wait` seconds.
        """
        with self._changed:
            if self._closing:
                return False
            self._unsettled = set(self._clients)
            self._query_all = True
            self._wake_or_start()
            return self._changed.wait_for(lambda: self._closing or not self._unsettled, wait)

    def close(self) -> None:
        """Ends all queries."""
        with self._changed:
            if self._closing:
                return
            self._closing = True
            self._changed.notify_all()
            if self._loop is not None:
                self._loop.wake()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=1.0)

    def forked(self) -> None:
        """In a fork it is closed, because its thread does not exist there."""
        self._changed = threading.Condition()
        self._closing = True

    def _wake_or_start(self) -> None:
        """Wakes or starts the thread. If it cannot start, each disk gets the reason, and the next call tries again."""
        if self._loop is not None:
            self._loop.wake()
        elif self._clients:
            try:
                self._loop, self._thread = self._start()
            except (OSError, RuntimeError) as error:
                for client in self._clients:
                    for latest in client.latest_stats:
                        latest.failed(f"queries cannot start: {error}", expired=math.isinf(self._interval))
                self._unsettled.clear()

    def _start(self) -> tuple[QueryLoop, threading.Thread]:
        """Raises OSError if no descriptor is left, RuntimeError if no thread can start."""
        self._clients_changed = True
        loop = QueryLoop(self._interval, self._deadline, self._settled)
        try:
            # A daemon thread: an interpreter that ends does not wait for it.
            thread = threading.Thread(target=self._run, args=(loop,), name="vmiostat-query", daemon=True)
            start_without_signals(thread)
        except BaseException:
            loop.close()
            raise
        return loop, thread

    def _run(self, loop: QueryLoop) -> None:
        try:
            while self._take_orders(loop):
                loop.run_once()
        except BaseException as error:  # a bug in vmiostat: the rows must not appear fresh
            loop.fail(f"queries have ended after an internal error in vmiostat: {error!r}")
        finally:
            with self._changed:  # callers must not wait for it any more, and the next call starts another thread
                self._loop = None
                self._unsettled.clear()
                self._changed.notify_all()
            loop.close()

    def _take_orders(self, loop: QueryLoop) -> bool:
        """Passes on to the loop what other threads want; False once it is to end."""
        with self._changed:
            if self._closing:
                return False
            clients, self._clients_changed = self._clients if self._clients_changed else None, False
            query_all, self._query_all = self._query_all, False
        if clients is not None:
            loop.set_clients(clients)
        if query_all:
            loop.query_all()
        return True

    def _settled(self, client: Client) -> None:
        """Its query was answered, or has failed."""
        with self._changed:
            self._unsettled.discard(client)
            if not self._unsettled:
                self._changed.notify_all()
