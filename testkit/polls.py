"""Many polls a second in a thread of its own, all of them kept: what somebody who watches would have seen."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, Self

from vmiostat import Sample


class Poll(NamedTuple):
    """One poll; times are time.monotonic()'s."""

    began: float
    ended: float
    sample: Sample


class Polls:
    """Polls until it is closed; a failure of the thread is raised then."""

    def __init__(self, poll: Callable[[], Sample], every: float = 0.01) -> None:
        self.seen: list[Poll] = []
        self._poll = poll
        self._every = every
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
                due = max(due + self._every, time.monotonic())
                self._stop.wait(due - time.monotonic())
        except BaseException as error:
            self._failed = error

    def wait_for(self, what: Callable[[Sample], Any], within: float = 10) -> Poll:
        """Waits for a poll that shows this; it. Fails when none has."""
        first = len(self.seen)
        until = time.monotonic() + within
        while time.monotonic() < until and self._failed is None:
            for poll in self.seen[first:]:
                if what(poll.sample):
                    return poll
                first += 1
            time.sleep(self._every / 2)
        raise AssertionError(f"no poll of {len(self.seen)} showed it within {within} s") from self._failed

    def longest(self) -> float:
        """Seconds that the longest poll took."""
        return max(poll.ended - poll.began for poll in self.seen)

    def longest_gap(self) -> float:
        """Seconds between the beginnings of two polls, at most."""
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
