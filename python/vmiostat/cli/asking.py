"""When a command's QEMUs are asked: right after a report, so that they have until the next one to answer."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmiostat import Poller

FIRST = 3.0
"""Seconds that the first report waits for answers: longer than any QEMU may take for one."""


class Asking:
    """Asks at most every `interval` seconds; nobody, where that is None."""

    def __init__(self, poller: Poller, interval: float | None) -> None:
        self._asks = None if interval is None else poller
        self._interval = interval or math.inf
        self._start = self._next = 0.0

    def before_first(self) -> None:
        """Waits for the first answers, since a report without them would say nothing."""
        if self._asks is not None:
            self._asks.query(FIRST)

    def begin(self, start: float) -> None:
        """The ticks of the reports begin at `start`, and so do those at which it may be asked."""
        self._start = self._next = start

    def after_poll(self) -> None:
        """Asks, if it is time, for the answers that the next poll takes."""
        now = time.monotonic()
        if self._asks is not None and now >= self._next:
            self._asks.query()
            passed = math.floor((now - self._start) / self._interval)
            self._next = self._start + (passed + 1) * self._interval
