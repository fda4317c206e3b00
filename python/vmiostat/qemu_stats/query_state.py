"""Where one VMM stands in the rounds: when it is asked next, or how long its answer may still take."""

import math
from typing import Literal

from vmiostat.qemu_stats.client import Client, Query

NEVER = math.inf

LONGEST_BACK_OFF = 6
"""Intervals between two questions to a VMM that refuses or cannot be reached; the first few times they double."""


class QueryState:
    """One VMM's.

    It is idle until `when`, waits for a slot until `when` without a word, is asked until `when`, or is overdue: the
    deadline has passed, and its one question stays until it is answered after all.
    """

    def __init__(self, asker: Client, now: float) -> None:
        self.asker = asker
        self.state: Literal["idle", "waiting", "asked", "overdue", "dropped"] = "idle"
        self.question: Query | None = None
        self.descriptor: int | None = None
        """What of the question is selected for."""
        self.when = now
        self.planned: set[float] = set()
        """The times at which it is looked at, whether they are `when` still or not."""
        self.failures = 0
        """How many of its last questions failed, one after the other."""
        self._due = now
        self._rounds = 0

    @property
    def suspect(self) -> bool:
        """Whether its last question failed."""
        return self.failures > 0

    @property
    def _back_off(self) -> int:
        return min(1 << min(self.failures, 3), LONGEST_BACK_OFF)

    def next_due(self, interval: float, now: float) -> float:
        """When it is to be asked next. Due times do not drift: none is reckoned from when an answer came."""
        if not math.isfinite(interval):
            return NEVER
        # Below 0 where it was asked before its time.
        missed = math.floor((now - self._due) / interval)
        self._due += (missed + self._back_off) * interval
        return self._due

    def takes_part(self) -> bool:
        """Whether a round in which everybody is asked reaches it, or leaves it out since its last questions failed."""
        self._rounds += 1
        if self._rounds < self._back_off:
            return False
        self._rounds = 0
        return True
