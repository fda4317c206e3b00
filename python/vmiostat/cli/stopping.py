"""Ctrl-C and SIGTERM end the command at once, but never within a report."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

GRACE = 0.5
"""Seconds that a report may still take after a signal: its reader may have stopped reading."""


class Stopped(BaseException):
    """A signal ends the command. Like KeyboardInterrupt it is no Exception, so that no handler catches it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        # Ctrl-C is the normal end of reports without a count; any other signal is reported as a shell does.
        self.exit_status = 0 if number == signal.SIGINT else 128 + number


class StopSignals:
    """Handles SIGINT and SIGTERM while it is entered."""

    def __init__(self) -> None:
        self._caught: int | None = None
        self._whole = False

    def __enter__(self) -> Self:
        handlers = {signal.SIGINT: self._stop, signal.SIGTERM: self._stop, signal.SIGALRM: self._cut}
        self._before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        return self

    def __exit__(self, *args: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Delays a signal until the end of the block, for GRACE seconds at most."""
        self._whole = True
        if self._caught is not None:  # what is printed at the end
            signal.setitimer(signal.ITIMER_REAL, GRACE)
        try:
            yield
        finally:
            self._whole = False
        if self._caught is not None:
            raise Stopped(self._caught)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._caught = number
        if not self._whole:
            raise Stopped(number)
        signal.setitimer(signal.ITIMER_REAL, GRACE)

    def _cut(self, number: int, frame: FrameType | None) -> None:
        if self._caught is not None:
            raise Stopped(self._caught)
