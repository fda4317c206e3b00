"""Where one VMM stands in the rounds: when it is asked next, or how long its answer may still take."""

import math
from typing import Literal

from vmiostat.askers.question import Asker, Question

NEVER = math.inf

LONGEST_BACK_OFF = 6
"""Intervals between two questions to a VMM that refuses or cannot be reached; the first few times they double."""


class Turn:
    """One VMM's.

    It is idle until `when`, waits for a slot, is asked until `when`, or is overdue: the deadline has passed, and its
    one question stays until it is answered after all.
    """

    def __init__(self, asker: Asker, now: float) -> None:
        self.asker = asker
        self.state: Literal["idle", "waiting", "asked", "overdue", "dropped"] = "idle"
        self.question: Question | None = None
        self.when = now
        self.failures = 0
        """How many of its last questions failed, one after the other."""
        self.slot: Literal["anybody's", "suspect's"] | None = None
        self._due = now

    @property
    def suspect(self) -> bool:
        """Whether its last question failed."""
        return self.failures > 0

    def next_due(self, interval: float, now: float) -> float:
        """When it is to be asked next. Due times do not drift: none is reckoned from when an answer came."""
        if not math.isfinite(interval):
            return NEVER
        missed = max(0, math.floor((now - self._due) / interval))
        back_off = min(1 << self.failures, LONGEST_BACK_OFF) if self.failures < 10 else LONGEST_BACK_OFF
        self._due += (missed + back_off) * interval
        return self._due
