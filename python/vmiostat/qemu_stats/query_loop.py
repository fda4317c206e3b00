"""Whose turn it is: who is asked when, whose answer has come, and whose deadline has passed."""

import heapq
import math
import os
import selectors
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import count

from vmiostat.qemu_stats.client import Client, QueryError
from vmiostat.qemu_stats.in_flight_limit import InFlightLimit
from vmiostat.qemu_stats.query_state import NEVER, QueryState
from vmiostat.threads.select_timeout import MAX_SELECT_TIMEOUT

_PATIENCE = 2
"""Deadlines that one may wait for a slot. After the first, those who hold them and do not answer are overdue."""

_FOREVER_NS = 1 << 62


class QueryLoop:
    """One thread's, which selects over all questions at once: only `wake` is for others.

    `interval` and `deadline` are in seconds; without an end to the interval, only `everybody_now` asks. `settled` is
    told of each asker whose question has its answer, or has failed. Raises OSError.
    """

    def __init__(self, interval: float, deadline: float, settled: Callable[[Client], None]) -> None:
        self._interval, self._deadline, self._settled = interval, deadline, settled
        self._patience = _PATIENCE * deadline
        self._on_demand = math.isinf(interval)
        self._fresh_ns = int(min((2 * interval + deadline) * 1e9, _FOREVER_NS))
        self._turns: dict[Client, QueryState] = {}
        self._slots: set[InFlightLimit] = set()
        self._times: list[tuple[float, int, QueryState]] = []
        self._number = count()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        try:
            self._selector = selectors.DefaultSelector()
        except OSError:
            os.close(self._wake)
            raise
        self._selector.register(self._wake, selectors.EVENT_READ)

    def wake(self) -> None:
        """Lets `go_on` return."""
        with suppress(BlockingIOError):
            os.eventfd_write(self._wake, 1)

    def set(self, askers: Iterable[Client]) -> None:
        """Who is asked from now on. Those who were before keep their turns."""
        now = time.monotonic()
        before = self._turns
        self._turns = {asker: before.get(asker) or QueryState(asker, now) for asker in askers}
        self._slots = {asker.slots for asker in self._turns}
        for asker in before.keys() - self._turns.keys():
            self._drop(before[asker])
        if not self._on_demand:
            for asker in self._turns.keys() - before.keys():
                self._at(now, self._turns[asker])

    def everybody_now(self) -> None:
        """Asks all who have no unanswered question, but for those who have failed and are to be left alone for now."""
        now = time.monotonic()
        for turn in self._turns.values():
            if turn.state == "idle" and turn.takes_part():
                self._at(now, turn)
            elif turn.state == "idle" or turn.when == NEVER:
                self._settled(turn.asker)

    def go_on(self) -> None:
        """Waits until something happens, and does what is to be done then."""
        for key, _ in self._selector.select(self._until_next()):
            if key.data is None:
                os.eventfd_read(self._wake)
            else:
                self._advance(key.data)
        self._pass_time()
        for slots in self._slots:
            while (turn := slots.next()) is not None:
                self._ask(turn)

    def fail(self, why: str) -> None:
        """Says that nobody is asked any more."""
        for asker in self._turns:
            for report in asker.reports:
                report.failed(why, expired=True)

    def close(self) -> None:
        """Drops every question."""
        self.set(())
        self._selector.close()
        os.close(self._wake)

    def _at(self, when: float, turn: QueryState) -> None:
        turn.when = when
        if when != NEVER and when not in turn.planned:
            turn.planned.add(when)
            heapq.heappush(self._times, (when, next(self._number), turn))

    def _until_next(self) -> float | None:
        return min(max(0.0, self._times[0][0] - time.monotonic()), MAX_SELECT_TIMEOUT) if self._times else None

    def _pass_time(self) -> None:
        """Lets those wait for a slot whose time has come, and gives those up whose time has passed."""
        now = time.monotonic()
        while self._times and self._times[0][0] <= now:
            when, _, turn = heapq.heappop(self._times)
            turn.planned.discard(when)
            if when != turn.when:  # it was given another time since
                continue
            match turn.state:
                case "idle":
                    turn.state = "waiting"
                    turn.asker.slots.wait(turn)
                    self._at(now + self._patience, turn)
                case "waiting":  # no failure of its own, and it goes on waiting
                    turn.when = NEVER
                    self._tell(turn, f"it was not asked for {self._patience:g} s, since too many others do not answer")
                case "asked":
                    turn.state, turn.when = "overdue", NEVER
                    turn.failures += 1
                    self._tell(turn, f"no answer within {self._deadline:g} s")
                    turn.asker.slots.overdue(turn)

    def _ask(self, turn: QueryState) -> None:
        turn.state = "asked"
        try:
            turn.question = turn.asker.ask()
            self._listen(turn)
        except Exception as error:  # whatever it is, it is to cost this one alone
            self._finish(turn, _words(error))
        else:
            self._at(time.monotonic() + self._deadline, turn)

    def _advance(self, turn: QueryState) -> None:
        question = turn.question
        assert question is not None
        try:
            answered = question.advance()
            time_ns = time.monotonic_ns()
            if answered:
                turn.asker.take(question, time_ns, self._fresh_ns)
            else:
                self._listen(turn)
        except Exception as error:  # as above
            self._finish(turn, _words(error))
        else:
            if answered:
                self._finish(turn)

    def _finish(self, turn: QueryState, why: str | None = None) -> None:
        """The question has its answer, or has failed: the turn is planned anew."""
        self._forget_question(turn)
        turn.asker.slots.free(turn)
        turn.state = "idle"
        if why is None:
            turn.failures = 0
            self._settled(turn.asker)
        else:
            turn.failures += 1
            self._tell(turn, why)
        self._at(turn.next_due(self._interval, time.monotonic()), turn)

    def _tell(self, turn: QueryState, why: str) -> None:
        """Why there is no newer answer."""
        for report in turn.asker.reports:
            report.failed(why, expired=self._on_demand)
        self._settled(turn.asker)

    def _drop(self, turn: QueryState) -> None:
        """It is asked no more."""
        self._forget_question(turn)
        turn.asker.slots.free(turn)
        turn.state, turn.when = "dropped", NEVER
        self._settled(turn.asker)

    def _listen(self, turn: QueryState) -> None:
        """Selects for what the question waits for now."""
        assert turn.question is not None
        descriptor, events = turn.question.fileno(), turn.question.events
        if descriptor == turn.descriptor:
            self._selector.modify(descriptor, events, turn)
            return
        self._ignore(turn)
        self._selector.register(descriptor, events, turn)
        turn.descriptor = descriptor

    def _ignore(self, turn: QueryState) -> None:
        if turn.descriptor is not None:
            with suppress(KeyError):  # the kernel refused a change, and it is selected for no more
                self._selector.unregister(turn.descriptor)
            turn.descriptor = None

    def _forget_question(self, turn: QueryState) -> None:
        self._ignore(turn)
        question, turn.question = turn.question, None
        if question is not None:
            question.close()


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, QueryError | OSError) else f"a mistake of vmiostat's own: {error!r}"
