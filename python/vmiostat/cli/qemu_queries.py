"""When a command queries QEMU: some time before a report, so that there is time for the answers.

Each answer then comes about as long before its report as any other, so that an interval between two answers, the first
one too, is about as long as one between their reports.
"""

from __future__ import annotations

import math

FIRST = 3.0
"""Seconds that the first report waits for answers, without which it would say nothing: more than a query's deadline."""
LEAD = 1.0
"""Seconds before a report, at most; at most half of its interval, since the first answer came before all reports."""


class QueryTimes:
    """When to query, at most once every `interval` seconds; never where that is None."""

    def __init__(self, interval: float | None) -> None:
        self._interval = interval or math.inf
        self._passed = 0

    def lead(self, time: float, interval: float) -> float | None:
        """How long before the report at this time to query; None if the last answer is for this report, too.

        Both are in seconds: the time since the first report, and the interval of the reports.

        >>> times = QueryTimes(2.0)
        >>> [times.lead(time, 0.5) for time in (0.5, 1.0, 1.5, 2.0, 2.5)]
        [None, None, None, 0.25, None]
        """
        passed = math.floor(time / self._interval + 1e-6)  # 0.3 / 0.1 is 2.9999999999999996
        if passed == self._passed:
            return None
        self._passed = passed
        return min(LEAD, interval / 2)
