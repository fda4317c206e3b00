"""How many questions of one kind may be out, so that stuck VMMs exhaust neither us nor whom we ask."""

from __future__ import annotations

import math
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmiostat.qemu_stats.query_state import QueryState


class InFlightLimit:
    """A bound on the questions that are in time (`at_once`), and one on these and the overdue ones together (`in_all`).

    VMMs whose last question failed may have a quarter of the first, and never the last slot of the second: however many
    refuse, the others go on. Of those that may have a slot, the one that has waited longest gets it.
    """

    def __init__(self, at_once: int, in_all: float = math.inf) -> None:
        self._at_once, self._in_all = at_once, in_all
        self._for_suspects = max(1, at_once // 4)
        # In the order in which they came to wait, each with its number in that order.
        self._waiting: dict[QueryState, int] = {}
        self._suspects: dict[QueryState, int] = {}
        self._number = count()
        self._asked: set[QueryState] = set()
        self._overdue: set[QueryState] = set()

    def wait(self, turn: QueryState) -> None:
        """From now on the turn waits for a slot."""
        (self._suspects if turn.suspect else self._waiting)[turn] = next(self._number)

    def next(self) -> QueryState | None:
        """The next that need not wait any longer: it has a slot until `free`."""
        left = self._in_all - len(self._asked) - len(self._overdue)
        if len(self._asked) >= self._at_once or not left:
            return None
        suspects_too = left > 1 and sum(turn.suspect for turn in self._asked) < self._for_suspects
        queues = [queue for queue in (self._waiting, self._suspects if suspects_too else {}) if queue]
        if not queues:
            return None
        longest = min(queues, key=lambda queue: next(iter(queue.values())))
        turn = next(iter(longest))
        del longest[turn]
        self._asked.add(turn)
        return turn

    def overdue(self, turn: QueryState) -> None:
        """The turn's question has no answer in time."""
        self._asked.discard(turn)
        self._overdue.add(turn)

    def free(self, turn: QueryState) -> None:
        """The turn has its slot no more, nor waits for one."""
        for turns in (self._asked, self._overdue):
            turns.discard(turn)
        for waiting in (self._waiting, self._suspects):
            waiting.pop(turn, None)
