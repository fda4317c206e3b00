"""Polls many times a second in a thread of its own, and keeps all samples."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, Self

from vmiostat import Sample


class Poll(NamedTuple):
    """One poll, with its times by time.monotonic()."""

    began: float
    ended: float
    sample: Sample


class Polls:
    """Polls until it is closed. `close` raises what the thread raised."""

    def __init__(self, poll: Callable[[], Sample], interval: float = 0.01) -> None:
        self.seen: list[Poll] = []
        self._poll = poll
        self._interval = interval
        self._stop = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            due = time.monotonic()
            while not self._stop.is_set():
                began = time.monotonic()
                sample = self._poll()
                self.seen.append(Poll(began, time.monotonic(), sample))
                due = max(due + self._interval, time.monotonic())
                self._stop.wait(due - time.monotonic())
        except BaseException as error:
            self._failed = error

    def wait_for(self, condition: Callable[[Sample], Any], within: float = 10) -> Poll:
        """Waits for a poll whose sample meets the condition, and returns it. Fails after `within` seconds."""
        first = len(self.seen)
        until = time.monotonic() + within
        while time.monotonic() < until and self._failed is None:
            for poll in self.seen[first:]:
                if condition(poll.sample):
                    return poll
                first += 1
            time.sleep(self._interval / 2)
        raise AssertionError(f"none of {len(self.seen)} polls met the condition within {within} s") from self._failed

    def longest(self) -> float:
        """Duration of the longest poll, in seconds."""
        return max(poll.ended - poll.began for poll in self.seen)

    def longest_gap(self) -> float:
        """The longest time between the starts of two polls, in seconds."""
        pairs = zip(self.seen, self.seen[1:], strict=False)
        return max(second.began - first.began for first, second in pairs)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        if self._failed is not None:
            raise self._failed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
