"""How many questions of one kind may be out at once, so that stuck VMMs exhaust neither us nor whom we ask."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmiostat.askers.turn import Turn


class Slots:
    """A bound on questions that are out, with `overdue_too` on all that are unanswered.

    VMMs whose last question failed may have a quarter of it: however many are stuck, the others go on.
    """

    def __init__(self, limit: int, *, overdue_too: bool = False) -> None:
        self.overdue_too = overdue_too
        self._free = limit
        self._free_for_suspects = max(1, limit // 4)
        self._waiting: deque[Turn] = deque()
        self._suspects: deque[Turn] = deque()

    def take(self, turn: Turn) -> bool:
        """Takes a slot, which stays taken until `free`. Without one the turn waits for `next`."""
        if not self._free or (turn.suspect and not self._free_for_suspects):
            (self._suspects if turn.suspect else self._waiting).append(turn)
            return False
        self._free -= 1
        self._free_for_suspects -= turn.suspect
        turn.slot = "suspect's" if turn.suspect else "anybody's"
        return True

    def free(self, turn: Turn) -> None:
        """Gives the turn's slot back, if it has one."""
        self._free += turn.slot is not None
        self._free_for_suspects += turn.slot == "suspect's"
        turn.slot = None

    def next(self) -> Turn | None:
        """A turn that waits for a slot that is free now."""
        if self._free and self._waiting:
            return self._waiting.popleft()
        if self._free and self._free_for_suspects and self._suspects:
            return self._suspects.popleft()
        return None
