"""The queue of clients that share an in-flight limit, and wait for a place in it."""

from itertools import count

from vmiostat.qemu_stats.client import InFlightLimit
from vmiostat.qemu_stats.query_state import QueryState


class QueryQueue:
    """Lets queries start within the limit; each holds its place until `free`.

    Clients whose last query failed get at most a quarter of `in_time`, and never the last place of `in_total`: however
    many fail, the others go on. Of those that may start, the one that has waited longest is next.
    """

    def __init__(self, limit: InFlightLimit) -> None:
        self._limit = limit
        self._limit_of_suspects = max(1, limit.in_time // 4)
        # In the order of their arrival, each with its number in that order.
        self._waiting: dict[QueryState, int] = {}
        self._waiting_suspects: dict[QueryState, int] = {}
        self._number = count()
        self._in_time: set[QueryState] = set()
        self._overdue: set[QueryState] = set()

    def wait(self, state: QueryState) -> None:
        """Adds a client to the queue."""
        (self._waiting_suspects if state.suspect else self._waiting)[state] = next(self._number)

    def next(self) -> QueryState | None:
        """Takes the next client that may start its query out of the queue."""
        left = self._limit.in_total - len(self._in_time) - len(self._overdue)
        if len(self._in_time) >= self._limit.in_time or not left:
            return None
        suspects_too = left > 1 and sum(state.suspect for state in self._in_time) < self._limit_of_suspects
        queues = [queue for queue in (self._waiting, self._waiting_suspects if suspects_too else {}) if queue]
        if not queues:
            return None
        longest = min(queues, key=lambda queue: next(iter(queue.values())))
        state = next(iter(longest))
        del longest[state]
        self._in_time.add(state)
        return state

    def overdue(self, state: QueryState) -> None:
        """The deadline of its query has passed; it still has a place in the total."""
        self._in_time.discard(state)
        self._overdue.add(state)

    def free(self, state: QueryState) -> None:
        """Gives up its place, or stops waiting for one."""
        for places in (self._in_time, self._overdue):
            places.discard(state)
        for waiting in (self._waiting, self._waiting_suspects):
            waiting.pop(state, None)
