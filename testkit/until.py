"""Waiting for a condition."""

import time
from collections.abc import Callable


def until(condition: Callable[[], object], seconds: float = 20.0, interval: float = 0.005) -> float:
    """Waits until the condition is true, and returns how many seconds that took. Fails after `seconds`."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, "the condition did not become true in time"
        time.sleep(interval)
    return time.monotonic() - start
