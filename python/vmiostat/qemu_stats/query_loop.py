"""Runs the queries of all clients in one thread: starts those that are due, and takes answers and timeouts."""

import heapq
import math
import os
import selectors
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import count

from vmiostat.qemu_stats.client import BudgetError, Client, InFlightLimit, QueryError
from vmiostat.qemu_stats.query_queue import QueryQueue
from vmiostat.qemu_stats.query_state import NEVER, QueryState
from vmiostat.threads.select_timeout import MAX_SELECT_TIMEOUT

_PATIENCE = 2
"""Deadlines that a client may wait for a place. After the first, the queries that held all places are overdue."""

_CPU_TIME = 0.25
"""Seconds of CPU time that one query may take: 4 MiB of answers take 0.1."""

_FOREVER_NS = 1 << 62


class QueryLoop:
    """Belongs to one thread, which selects over all queries; only `wake` may be called from others.

    `interval` and `deadline` are in seconds; with an infinite interval, queries are started by `query_all` alone.
    `on_settled` is called with each client whose query was answered or has failed. Raises OSError.
    """

    def __init__(self, interval: float, deadline: float, on_settled: Callable[[Client], None]) -> None:
        self._interval, self._deadline, self._on_settled = interval, deadline, on_settled
        self._patience = _PATIENCE * deadline
        self._on_demand = math.isinf(interval)
        self._fresh_ns = int(min((2 * interval + deadline) * 1e9, _FOREVER_NS))
        self._states: dict[Client, QueryState] = {}
        self._queues: dict[InFlightLimit, QueryQueue] = {}
        self._timers: list[tuple[float, int, QueryState]] = []
        self._number = count()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        try:
            self._selector = selectors.DefaultSelector()
        except OSError:
            os.close(self._wake)
            raise
        self._selector.register(self._wake, selectors.EVENT_READ)

    def wake(self) -> None:
        """Makes `run_once` return."""
        with suppress(BlockingIOError):
            os.eventfd_write(self._wake, 1)

    def set_clients(self, clients: Iterable[Client]) -> None:
        """Queries these clients from now on, and no others. Those that it has already keep their state."""
        now = time.monotonic()
        before = self._states
        self._states = {client: before.get(client) or QueryState(client, now) for client in clients}
        for client in before.keys() - self._states.keys():
            self._drop(before[client])
        limits = {client.in_flight_limit for client in self._states}
        self._queues = {limit: self._queues.get(limit) or QueryQueue(limit) for limit in limits}
        for limit, queue in self._queues.items():
            queue.set_users({client.user for client in self._states if client.in_flight_limit is limit})
        if not self._on_demand:
            for client in self._states.keys() - before.keys():
                self._set_timer(self._states[client], now)

    def query_all(self) -> None:
        """Queries all clients now, except those whose query is in flight, and those that back off after a failure."""
        now = time.monotonic()
        for state in self._states.values():
            if state.phase == "idle" and state.joins_on_demand(now):
                self._set_timer(state, now)
            elif state.phase == "idle" or state.timer == NEVER:
                self._on_settled(state.client)

    def run_once(self) -> None:
        """Waits for an event or a timer, and handles what is due."""
        for key, _ in self._selector.select(self._until_next_timer()):
            if key.data is None:
                os.eventfd_read(self._wake)
            else:
                self._advance(key.data)
        self._run_timers()
        for queue in self._queues.values():
            while (state := queue.next(time.monotonic())) is not None:
                self._start(state)

    def fail(self, why: str) -> None:
        """Records for every disk that queries have ended."""
        for client in self._states:
            for latest in client.latest_stats:
                latest.failed(why, expired=True)

    def close(self) -> None:
        """Abandons all queries."""
        self.set_clients(())
        self._selector.close()
        os.close(self._wake)

    def _queue(self, state: QueryState) -> QueryQueue:
        return self._queues[state.client.in_flight_limit]

    def _set_timer(self, state: QueryState, when: float) -> None:
        state.timer = when
        if when != NEVER and when not in state.queued_timers:
            state.queued_timers.add(when)
            heapq.heappush(self._timers, (when, next(self._number), state))

    def _until_next_timer(self) -> float | None:
        now = time.monotonic()
        first = min(
            self._timers[0][0] if self._timers else NEVER,
            min((queue.next_start(now) for queue in self._queues.values()), default=NEVER),
        )
        return None if first == NEVER else min(max(0.0, first - now), MAX_SELECT_TIMEOUT)

    def _run_timers(self) -> None:
        """Queues the clients that are due, and reports those that have waited too long."""
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            when, _, state = heapq.heappop(self._timers)
            state.queued_timers.discard(when)
            if when != state.timer:  # it was set to another time since
                continue
            match state.phase:
                case "idle":
                    state.phase = "waiting"
                    self._queue(state).wait(state)
                    self._set_timer(state, now + self._patience)
                case "waiting":  # not its own failure, and it goes on waiting
                    state.timer = NEVER
                    why = self._queue(state).why_waiting(state, now)
                    self._record_failure(state, f"not queried for {self._patience:g} s, because {why}")
                case "in flight":
                    self._pass_deadline(state)

    def _pass_deadline(self, state: QueryState) -> None:
        assert state.query is not None
        why = f"no answer within {self._deadline:g} s"
        try:
            state.query.overdue()
        except QueryError:
            self._finish(state, BudgetError(why))
            return
        state.phase, state.timer = "overdue", NEVER
        state.failures += 1
        self._record_failure(state, why)
        self._queue(state).overdue(state)

    def _start(self, state: QueryState) -> None:
        state.phase, state.cpu_time = "in flight", 0.0
        try:
            state.query = state.client.query()
            self._select(state)
        except BaseException as error:  # whatever it is, also a panic of the core, it must affect this client only
            self._finish(state, error)
        else:
            self._set_timer(state, time.monotonic() + self._deadline)

    def _advance(self, state: QueryState) -> None:
        query = state.query
        assert query is not None
        cpu_time = time.thread_time()
        try:
            answered = query.advance()
            time_ns = time.monotonic_ns()
            if answered:
                state.client.store(query, time_ns, self._fresh_ns)
            else:
                self._select(state)
        except BaseException as error:  # as above
            answered = False
            failure: BaseException | None = error
        else:
            failure = None
        state.cpu_time += time.thread_time() - cpu_time
        if failure is None and not answered and state.cpu_time > _CPU_TIME:
            failure = BudgetError(f"reading what it sends took more than {_CPU_TIME:g} s of CPU time")
        if answered or failure is not None:
            self._finish(state, failure)

    def _finish(self, state: QueryState, failure: BaseException | None = None) -> None:
        """The query was answered, or failed: schedules the next one."""
        now = time.monotonic()
        if state.query is not None:
            self._queue(state).charge(state, state.cpu_time + state.query.cpu_time, now)
        self._close_query(state)
        self._queue(state).free(state)
        state.phase = "idle"
        if failure is None:
            state.answered()
            self._on_settled(state.client)
        else:
            state.failures += 1
            why = _reason(failure)
            if isinstance(failure, BudgetError):
                why += f"; it is not queried for {state.exceeded(now):g} s"
            self._record_failure(state, why)
        self._set_timer(state, state.next_due(self._interval, now))

    def _record_failure(self, state: QueryState, why: str) -> None:
        for latest in state.client.latest_stats:
            latest.failed(why, expired=self._on_demand)
        self._on_settled(state.client)

    def _drop(self, state: QueryState) -> None:
        """The client is no longer queried."""
        self._close_query(state)
        self._queue(state).free(state)
        state.phase, state.timer = "dropped", NEVER
        self._on_settled(state.client)

    def _select(self, state: QueryState) -> None:
        """Selects for what the query waits for now."""
        assert state.query is not None
        descriptor, events = state.query.fileno(), state.query.events
        if descriptor == state.descriptor:
            self._selector.modify(descriptor, events, state)
            return
        self._unselect(state)
        self._selector.register(descriptor, events, state)
        state.descriptor = descriptor

    def _unselect(self, state: QueryState) -> None:
        if state.descriptor is not None:
            with suppress(KeyError):  # the kernel refused a change, and the selector has dropped it
                self._selector.unregister(state.descriptor)
            state.descriptor = None

    def _close_query(self, state: QueryState) -> None:
        self._unselect(state)
        query, state.query = state.query, None
        if query is not None:
            query.close()


def _reason(error: BaseException) -> str:
    return str(error) if isinstance(error, QueryError | OSError) else f"internal error in vmiostat: {error!r}"
