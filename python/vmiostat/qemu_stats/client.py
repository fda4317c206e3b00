"""What an asker is to the rounds that call it: one VMM, one question at a time, never a wait."""

from collections.abc import Sequence
from typing import Any, Protocol

from vmiostat._core import LatestStats
from vmiostat.errors import Error
from vmiostat.qemu_stats.in_flight_limit import InFlightLimit


class QueryError(Error):
    """A VMM could not be asked, or did not answer; the text says what came of it, after the asker's name."""


class Query(Protocol):
    """A question on its way. Whoever asked selects on `fileno` and calls `advance` when it is ready."""

    @property
    def events(self) -> int:
        """What to select for: selectors.EVENT_READ or EVENT_WRITE."""

    def fileno(self) -> int: ...

    def advance(self) -> bool:
        """Goes on as far as that is possible without waiting; whether the answer is there. Raises QueryError."""

    def close(self) -> None:
        """Nobody wants the answer any more."""


class Client(Protocol):
    """One VMM that can be asked about some disks."""

    @property
    def reports(self) -> Sequence[LatestStats]:
        """Where its answers go."""

    @property
    def slots(self) -> InFlightLimit:
        """How many of its kind may be asked at once."""

    def ask(self) -> Query:
        """Asks. Raises QueryError."""

    def take(self, question: Any, time_ns: int, fresh_ns: int) -> None:
        """Hands the answer of one of its questions to the reports. Raises QueryError if it is none."""
