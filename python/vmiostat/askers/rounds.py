"""Asks VMMs, round after round, in a thread of its own: each has its deadline, and none waits for another.

The thread selects over all questions at once. A VMM that does not answer in time costs its own disks only: they are
told so, and it is asked nothing more until it has answered. No poll ever waits for anything here.
"""

import heapq
import math
import os
import selectors
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from itertools import count
from typing import Literal

from vmiostat.askers.question import Asker, AskError
from vmiostat.askers.turn import NEVER, Turn
from vmiostat.forks import tell_in_forks

OnDemand = Literal["on demand"]

_FOREVER_NS = 1 << 62


class Rounds:
    """The questions to some VMMs: every `interval` seconds, or only by `ask` (on demand).

    A VMM may take `deadline` seconds for its answer. An answer is fresh for two intervals and a deadline, so that one
    question may fail before it is stale; on demand until a question fails.
    """

    def __init__(self, interval: float | OnDemand, deadline: float) -> None:
        self._on_demand = isinstance(interval, str)
        self._interval = math.inf if isinstance(interval, str) else interval
        self._deadline = deadline
        self._fresh_ns = _FOREVER_NS if self._on_demand else int((2 * self._interval + deadline) * 1e9)
        # What other threads leave for the thread that asks, under this lock.
        self._changed = threading.Condition()
        self._wanted: list[Asker] | None = None
        self._everybody_now = False
        self._unsettled: set[Asker] = set()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._wake = -1
        # The thread's own.
        self._selector = selectors.DefaultSelector()
        self._turns: dict[Asker, Turn] = {}
        self._times: list[tuple[float, int, Turn]] = []
        self._number = count()
        tell_in_forks(self)

    def set(self, askers: Iterable[Asker]) -> None:
        """Who is asked from now on. One that was before keeps its place in the round; a new one is asked at once,
        or on demand.
        """
        with self._changed:
            if self._closing:
                return
            self._wanted = list(askers)
            if self._thread is None and self._wanted:
                self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
                self._selector.register(self._wake, selectors.EVENT_READ)
                # A daemon: an interpreter that ends does not wait for it.
                self._thread = threading.Thread(target=self._run, name="vmiostat-askers", daemon=True)
                self._thread.start()
            self._wake_up()

    def ask(self, wait: float = 0.0) -> bool:
        """Asks everybody now who has no unanswered question.

        Whether all of them have answered, or failed to, within `wait` seconds.
        """
        with self._changed:
            if self._closing:
                return False
            self._unsettled = set(self._turns if self._wanted is None else self._wanted)
            self._everybody_now = True
            self._wake_up()
            return self._changed.wait_for(lambda: self._closing or not self._unsettled, wait)

    def close(self) -> None:
        """Asks no more, and takes no answers any more."""
        with self._changed:
            if self._closing:
                return
            self._closing = True
            self._changed.notify_all()
            self._wake_up()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=1.0)

    def forked(self) -> None:
        """In a fork nobody asks: it is closed."""
        self._changed = threading.Condition()
        self._closing = True

    def _wake_up(self) -> None:
        if self._thread is not None:
            with suppress(BlockingIOError):
                os.eventfd_write(self._wake, 1)

    def _run(self) -> None:
        try:
            while self._take_over():
                for key, _ in self._selector.select(self._until_next()):
                    if key.data is None:
                        os.eventfd_read(self._wake)
                    else:
                        self._advance(key.data)
                self._pass_time()
        finally:
            with self._changed:  # also where it ends by a mistake of ours: nobody is to wait for it
                self._closing = True
                self._changed.notify_all()
            self._end()

    def _end(self) -> None:
        for turn in self._turns.values():
            self._drop(turn)
        self._selector.close()
        os.close(self._wake)

    def _take_over(self) -> bool:
        """Does what other threads have left to do; whether to go on."""
        now = time.monotonic()
        with self._changed:
            if self._closing:
                return False
            before = self._turns
            if self._wanted is not None:
                self._turns = {asker: before.get(asker) or Turn(asker, now) for asker in self._wanted}
                self._wanted = None
            everybody_now, self._everybody_now = self._everybody_now, False
        for asker in before.keys() - self._turns.keys():
            self._drop(before[asker])
        for asker, turn in self._turns.items():
            if turn.state == "idle" and (everybody_now or (asker not in before and not self._on_demand)):
                self._at(now, turn)
            elif everybody_now and turn.state == "overdue":  # it has failed already, and is not asked twice
                self._settled(turn)
        return True

    def _at(self, when: float, turn: Turn) -> None:
        turn.when = when
        if when != NEVER:
            heapq.heappush(self._times, (when, next(self._number), turn))

    def _until_next(self) -> float | None:
        return max(0.0, self._times[0][0] - time.monotonic()) if self._times else None

    def _pass_time(self) -> None:
        """Asks whose time has come, and gives those up whose time has passed."""
        now = time.monotonic()
        while self._times and self._times[0][0] <= now:
            when, _, turn = heapq.heappop(self._times)
            if when != turn.when:  # it was given another time since
                continue
            if turn.state == "idle":
                self._start(turn)
            elif turn.state == "asked":
                self._overdue(turn)

    def _start(self, turn: Turn) -> None:
        turn.state, turn.when = "waiting", NEVER
        if not turn.asker.slots.take(turn):
            return
        turn.state = "asked"
        try:
            turn.question = turn.asker.ask()
            self._selector.register(turn.question, turn.question.events, turn)
        except (AskError, OSError) as error:
            self._finish(turn, str(error))
        else:
            self._at(time.monotonic() + self._deadline, turn)

    def _advance(self, turn: Turn) -> None:
        question = turn.question
        assert question is not None
        try:
            answered = question.advance()
            time_ns = time.monotonic_ns()
            if answered:
                turn.asker.take(question, time_ns, self._fresh_ns)
            else:
                self._selector.modify(question, question.events, turn)
        except (AskError, OSError) as error:
            self._finish(turn, str(error))
        else:
            if answered:
                self._finish(turn)

    def _overdue(self, turn: Turn) -> None:
        turn.state, turn.when = "overdue", NEVER
        self._failed(turn, f"no answer within {self._deadline:g} s")
        if not turn.asker.slots.overdue_too:
            self._free_slot(turn)

    def _finish(self, turn: Turn, why: str | None = None) -> None:
        """The question has its answer, or has failed: the turn is planned anew."""
        self._forget_question(turn)
        turn.state = "idle"
        if why is None:
            turn.failures = 0
            self._settled(turn)
        else:
            self._failed(turn, why)
        self._at(turn.next_due(self._interval, time.monotonic()), turn)
        self._free_slot(turn)

    def _failed(self, turn: Turn, why: str) -> None:
        turn.failures += 1
        for report in turn.asker.reports:
            report.failed(why, expired=self._on_demand)
        self._settled(turn)

    def _settled(self, turn: Turn) -> None:
        with self._changed:
            self._unsettled.discard(turn.asker)
            if not self._unsettled:
                self._changed.notify_all()

    def _drop(self, turn: Turn) -> None:
        """It is asked no more."""
        self._forget_question(turn)
        turn.state, turn.when = "dropped", NEVER
        self._settled(turn)
        self._free_slot(turn)

    def _forget_question(self, turn: Turn) -> None:
        question, turn.question = turn.question, None
        if question is not None:
            with suppress(KeyError):  # it never came to be selected
                self._selector.unregister(question)
            question.close()

    def _free_slot(self, turn: Turn) -> None:
        """Another that waits for the turn's slot has it now, if the turn had one."""
        turn.asker.slots.free(turn)
        while (waiting := turn.asker.slots.next()) is not None:
            if waiting.state == "waiting":
                self._start(waiting)
