"""Waiting for what comes by itself."""

import time
from collections.abc import Callable


def until(true: Callable[[], object], seconds: float = 20.0, every: float = 0.005) -> float:
    """Waits until it is true; how many seconds that took. Fails when it is not in this time."""
    start = time.monotonic()
    while not true():
        assert time.monotonic() - start < seconds, "it did not come to be"
        time.sleep(every)
    return time.monotonic() - start
