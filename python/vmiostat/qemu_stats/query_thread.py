"""Asks VMMs, round after round, in a thread of its own: each has its deadline, and none waits for another.

A VMM that does not answer in time costs its own disks only: they are told so, and it is asked nothing more until it has
answered. No poll ever waits for anything here.
"""

import math
import threading
from collections.abc import Iterable
from typing import Literal

from vmiostat.qemu_stats.client import Client
from vmiostat.qemu_stats.query_loop import QueryLoop
from vmiostat.threads.fork import register_after_fork
from vmiostat.threads.signal_mask import block_signals_in_this_thread

OnDemand = Literal["on demand"]


class QueryThread:
    """The questions to some VMMs: every `interval` seconds, or only by `ask` (on demand).

    A VMM may take `deadline` seconds for its answer. An answer is fresh for two intervals and a deadline, so that one
    question may fail before it is stale; on demand until a question fails.
    """

    def __init__(self, interval: float | OnDemand, deadline: float) -> None:
        self._interval = math.inf if isinstance(interval, str) else interval
        self._deadline = deadline
        # Under this lock is what other threads leave for the thread that asks.
        self._changed = threading.Condition()
        self._askers: list[Client] = []
        self._others_now = self._everybody_now = False
        self._unsettled: set[Client] = set()
        self._closing = False
        self._turns: QueryLoop | None = None
        self._thread: threading.Thread | None = None
        register_after_fork(self)

    def set(self, askers: Iterable[Client]) -> None:
        """Who is asked from now on. One that was before keeps its place in the round; a new one is asked at once,
        or on demand.
        """
        with self._changed:
            if not self._closing:
                self._askers = list(askers)
                self._others_now = True
                self._begin()

    def ask(self, wait: float = 0.0) -> bool:
        """Asks everybody now who has no unanswered question; one that has failed only now and then.

        Whether all of them have answered, or failed to, within `wait` seconds.
        """
        with self._changed:
            if self._closing:
                return False
            self._unsettled = set(self._askers)
            self._everybody_now = True
            self._begin()
            return self._changed.wait_for(lambda: self._closing or not self._unsettled, wait)

    def close(self) -> None:
        """Asks no more, and takes no answers any more."""
        with self._changed:
            if self._closing:
                return
            self._closing = True
            self._changed.notify_all()
            if self._turns is not None:
                self._turns.wake()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=1.0)

    def forked(self) -> None:
        """In a fork nobody asks: it is closed."""
        self._changed = threading.Condition()
        self._closing = True

    def _begin(self) -> None:
        """Tells the thread that there is something to do, or starts it. Where there can be none, everybody is told why;
        the next call tries again.
        """
        if self._turns is not None:
            self._turns.wake()
        elif self._askers:
            try:
                self._turns, self._thread = self._started()
            except (OSError, RuntimeError) as error:
                for asker in self._askers:
                    for report in asker.reports:
                        report.failed(f"nothing can be asked: {error}", expired=math.isinf(self._interval))
                self._unsettled.clear()

    def _started(self) -> tuple[QueryLoop, threading.Thread]:
        """A thread that asks. Raises OSError without a descriptor for it, RuntimeError without a thread."""
        self._others_now = True
        turns = QueryLoop(self._interval, self._deadline, self._settled)
        try:
            # A daemon: an interpreter that ends does not wait for it.
            thread = threading.Thread(target=self._run, args=(turns,), name="vmiostat-askers", daemon=True)
            thread.start()
        except BaseException:
            turns.close()
            raise
        return turns, thread

    def _run(self, turns: QueryLoop) -> None:
        block_signals_in_this_thread()
        try:
            while self._take_over(turns):
                turns.go_on()
        except Exception as error:  # a mistake of ours: whoever reads these rows is to know
            turns.fail(f"asking has ended by a mistake of vmiostat's own: {error!r}")
        finally:
            with self._changed:  # nobody is to wait for it any more, and the next call begins anew
                self._turns = None
                self._unsettled.clear()
                self._changed.notify_all()
            turns.close()

    def _take_over(self, turns: QueryLoop) -> bool:
        """Does what other threads have left to do; whether to go on."""
        with self._changed:
            if self._closing:
                return False
            others, self._others_now = self._askers if self._others_now else None, False
            everybody, self._everybody_now = self._everybody_now, False
        if others is not None:
            turns.set(others)
        if everybody:
            turns.everybody_now()
        return True

    def _settled(self, asker: Client) -> None:
        """Its question has its answer, or has failed."""
        with self._changed:
            self._unsettled.discard(asker)
            if not self._unsettled:
                self._changed.notify_all()
