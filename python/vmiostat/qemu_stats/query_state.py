"""The state of one client in the query loop: when its next query is due, or how long the current one may take."""

import math
from typing import Literal

from vmiostat.qemu_stats.client import Client, Query

NEVER = math.inf

LONGEST_BACK_OFF = 6
"""Intervals between two queries to a VMM that refuses or cannot be reached; the first failures double them from 1."""

FIRST_LEFT_ALONE, LONGEST_LEFT_ALONE = 2.0, 600.0
"""Seconds for which a VMM that exceeds its budget is not queried: the first time, doubled each time, and at most."""


class QueryState:
    """One client's state.

    Until `timer` it is idle, waits for a place under its in-flight limit, or is in flight. When a query is overdue, its
    deadline has passed, and there is no other until it has been answered after all.
    """

    def __init__(self, client: Client, now: float) -> None:
        self.client = client
        self.phase: Literal["idle", "waiting", "in flight", "overdue", "dropped"] = "idle"
        self.query: Query | None = None
        self.descriptor: int | None = None
        """The query's descriptor, while it is selected for."""
        self.timer = now
        self.queued_timers: set[float] = set()
        """The timers that the loop still has in its queue, also those that no longer count."""
        self.failures = 0
        """How many queries have failed in a row."""
        self.cpu_time = 0.0
        """Seconds of CPU time that this thread has spent on the current query."""
        self._excesses = 0
        """How often it exceeded its budget, less the answers since."""
        self._left_alone_until = now
        self._due = now
        self._on_demand = 0

    @property
    def suspect(self) -> bool:
        """Whether the last query failed."""
        return self.failures > 0

    @property
    def _back_off(self) -> int:
        return min(1 << min(self.failures, 3), LONGEST_BACK_OFF)

    def answered(self) -> None:
        """Its query was answered."""
        self.failures = 0
        self._excesses = max(0, self._excesses - 1)

    def exceeded(self, now: float) -> float:
        """Its query exceeded the budget; returns for how many seconds it is left alone."""
        seconds = min(FIRST_LEFT_ALONE * (1 << min(self._excesses, 16)), LONGEST_LEFT_ALONE)
        self._excesses += 1
        self._left_alone_until = now + seconds
        return seconds

    def next_due(self, interval: float, now: float) -> float:
        """When the next query is due. Due times do not drift: none depends on when an answer came."""
        if not math.isfinite(interval):
            return NEVER
        now = max(now, self._left_alone_until)
        interval = max(interval, 1e-9)  # the clock's unit: dividing by less can overflow
        # Below 0 if it was queried before it was due.
        missed = math.floor((now - self._due) / interval)
        self._due += (missed + self._back_off) * interval
        return self._due

    def joins_on_demand(self, now: float) -> bool:
        """Whether it takes part in a query on demand, or skips this one because its last queries failed."""
        if now < self._left_alone_until:
            return False
        self._on_demand += 1
        if self._on_demand < self._back_off:
            return False
        self._on_demand = 0
        return True
