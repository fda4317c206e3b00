"""When a command queries QEMU: right after a report, so that there is time for the answers until the next one."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmiostat import Poller

FIRST = 3.0
"""Seconds that the first report waits for answers: more than the deadline of a query."""


class QemuQueries:
    """At most one query every `interval` seconds; none where that is None."""

    def __init__(self, poller: Poller, interval: float | None) -> None:
        self._poller = None if interval is None else poller
        self._interval = interval or math.inf
        self._start = self._next = 0.0

    def before_first(self) -> None:
        """Waits for the first answers: a report without them would say nothing."""
        if self._poller is not None:
            self._poller.query(FIRST)

    def begin(self, start: float) -> None:
        """Starts to count intervals, when the reports start to count theirs."""
        self._start = self._next = start

    def after_poll(self) -> None:
        """Queries, if it is time, for the answers that the next poll takes."""
        now = time.monotonic()
        if self._poller is not None and now >= self._next:
            self._poller.query()
            passed = math.floor((now - self._start) / self._interval)
            self._next = self._start + (passed + 1) * self._interval
