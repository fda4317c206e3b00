"""The queue of clients that share an in-flight limit, and wait for a place in it."""

import math
from collections.abc import Collection
from itertools import count

from vmiostat.qemu_stats.client import InFlightLimit
from vmiostat.qemu_stats.query_state import QueryState

CPU_SHARE = 0.25
"""Of one CPU, for the queries of one user. A query takes a millisecond."""
CPU_BURST = 0.5
"""Seconds of CPU time that the queries of a user may take beyond its share."""


class QueryQueue:
    """Lets queries start within the limit, in turn by user; each holds its place until `free`.

    While there are clients of several users, the queries of one get at most a quarter of `in_time`, and of more than
    four users each gets the same part: the queries of one user do not delay those of another. Nor do they take more
    than their share of a CPU.

    Of a user's places, clients whose last query failed get at most a quarter, and they never get the last place of
    `in_total`: however many fail, the others go on. Of a user's clients that may start, the one that has waited longest
    is next.
    """

    def __init__(self, limit: InFlightLimit) -> None:
        self._limit = limit
        self._number = count()
        # In the order in which it is their turn.
        self._users: dict[int | None, _User] = {}
        self._places = limit.in_time
        """Of a user."""
        self._in_time = 0
        self._overdue: set[QueryState] = set()

    def set_users(self, users: Collection[int | None]) -> None:
        """The users who have clients."""
        share = self._limit.in_time // max(4, len(users))
        self._places = self._limit.in_time if len(users) < 2 else max(1, share)
        self._users = {name: user for name, user in self._users.items() if name in users or user.is_needed}

    def wait(self, state: QueryState) -> None:
        """Adds a client to the queue."""
        user = self._user(state)
        (user.waiting_suspects if state.suspect else user.waiting)[state] = next(self._number)

    def next(self, now: float) -> QueryState | None:
        """Takes the next client that may start its query out of the queue."""
        left = self._limit.in_total - self._in_time - len(self._overdue)
        if self._in_time >= self._limit.in_time or not left:
            return None
        for name, user in self._users.items():
            if len(user.in_time) < self._places and user.ready_at(now) <= now:
                state = user.next(self._places, suspects_too=left > 1)
                if state is not None:
                    self._in_time += 1
                    self._users[name] = self._users.pop(name)
                    return state
        return None

    def next_start(self, now: float) -> float:
        """When a client may start that waits only until its user's queries have taken less than their share of a CPU;
        infinite if there is none.
        """
        times = (user.ready_at(now) for user in self._users.values() if user.waiting or user.waiting_suspects)
        return min((time for time in times if time > now), default=math.inf)

    def charge(self, state: QueryState, seconds: float, now: float) -> None:
        """Counts CPU time that the query took."""
        self._user(state).charge(seconds, now)

    def why_waiting(self, state: QueryState, now: float) -> str:
        """Why the client has no place yet."""
        if self._user(state).ready_at(now) > now:
            return f"queries of the VMs of its user take more than {CPU_SHARE:.0%} of a CPU"
        return "too many other VMs do not answer"

    def overdue(self, state: QueryState) -> None:
        """The deadline of its query has passed; it still has a place in the total."""
        self._leave(state)
        self._overdue.add(state)

    def free(self, state: QueryState) -> None:
        """Gives up its place, or stops waiting for one."""
        self._leave(state)
        self._overdue.discard(state)
        for waiting in (self._user(state).waiting, self._user(state).waiting_suspects):
            waiting.pop(state, None)

    def _leave(self, state: QueryState) -> None:
        in_time = self._user(state).in_time
        if state in in_time:
            in_time.remove(state)
            self._in_time -= 1

    def _user(self, state: QueryState) -> "_User":
        user = self._users.get(state.client.user)
        if user is None:
            user = self._users[state.client.user] = _User()
        return user


class _User:
    """The clients of one user, and what their queries cost."""

    def __init__(self) -> None:
        # In the order of their arrival, each with its number in that order.
        self.waiting: dict[QueryState, int] = {}
        self.waiting_suspects: dict[QueryState, int] = {}
        self.in_time: set[QueryState] = set()
        self._debt, self._debt_at = 0.0, -math.inf
        """Seconds of CPU time beyond the share, and when that was so."""

    @property
    def is_needed(self) -> bool:
        return bool(self.waiting or self.waiting_suspects or self.in_time or self._debt)

    def next(self, places: int, *, suspects_too: bool) -> QueryState | None:
        suspects_too &= sum(state.suspect for state in self.in_time) < max(1, places // 4)
        queues = [queue for queue in (self.waiting, self.waiting_suspects if suspects_too else {}) if queue]
        if not queues:
            return None
        longest = min(queues, key=lambda queue: next(iter(queue.values())))
        state = next(iter(longest))
        del longest[state]
        self.in_time.add(state)
        return state

    def charge(self, seconds: float, now: float) -> None:
        self._debt = max(0.0, self._debt - (now - self._debt_at) * CPU_SHARE) + seconds
        self._debt_at = now

    def ready_at(self, now: float) -> float:
        """When its next query may start."""
        left = self._debt - (now - self._debt_at) * CPU_SHARE
        if left <= 0:
            self._debt = 0.0
        return now + max(0.0, left - CPU_BURST) / CPU_SHARE
