"""What the query loop needs of a client: a client queries one VMM, one query at a time, and never waits."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from vmiostat._core import LatestStats
from vmiostat.errors import Error


class QueryError(Error):
    """A VMM could not be queried, or sent no valid answer. Messages have the client's name before this text."""


class BudgetError(QueryError):
    """A VMM takes more than one query may cost. It is left alone for a while, each time for longer."""


@dataclass(frozen=True, eq=False)
class InFlightLimit:
    """How many queries may be in flight at once, so that stuck VMMs exhaust neither this process nor the server.

    One object is shared by all clients that are limited together.
    """

    in_time: int
    """Queries whose deadline has not passed."""
    in_total: int = sys.maxsize
    """These and the overdue ones."""


class Query(Protocol):
    """A query in flight. Its caller selects on `fileno` for `events`, and calls `advance` when that is ready."""

    @property
    def events(self) -> int:
        """selectors.EVENT_READ or EVENT_WRITE."""

    @property
    def cpu_time(self) -> float:
        """Seconds of CPU time that other threads have spent on it."""

    def fileno(self) -> int: ...

    def advance(self) -> bool:
        """Continues as far as possible without waiting; True once the answer is complete. Raises QueryError."""

    def overdue(self) -> None:
        """Its deadline has passed: it may go on waiting, but not hold much memory. Raises QueryError."""

    def close(self) -> None:
        """Abandons the query."""


class Client(Protocol):
    """Queries one VMM for the counters of some disks."""

    @property
    def latest_stats(self) -> Sequence[LatestStats]:
        """Where the counters are stored, one for each disk."""

    @property
    def in_flight_limit(self) -> InFlightLimit: ...

    @property
    def user(self) -> int | None:
        """The user whom the VMM runs as, where queries are shared out by user."""

    def query(self) -> Query:
        """Starts a query. Raises QueryError, and OSError."""

    def store(self, query: Any, time_ns: int, fresh_ns: int) -> None:
        """Stores the answer to one of its queries in `latest_stats`. Raises QueryError if the answer is not valid."""
