"""The problems of discovery, on standard error: each once, and again when it has been away."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from vmiostat.cli.output import complain, sentence

if TYPE_CHECKING:
    from collections.abc import Iterable

_SECONDS = re.compile(r"\b[0-9]+ s\b")
"""How long something has lasted: the same problem has another age each time."""
_MOST = 30
"""Problems that are printed at a time: those of a thousand definitions would push the report off the screen. More than
one scan of this machine has: it counts the rest itself."""
_AWAY = 600.0
"""Seconds after which it is printed again that a limit was reached: others may make that come and go."""


class Warnings:
    """Remembers the problems that there were the last time."""

    def __init__(self) -> None:
        self._printed: dict[str, float] = {}
        """Until when each is not printed again."""

    def update(self, problems: Iterable[Exception]) -> None:
        """Prints those of the current problems that were not there the last time: a line each, and one for the rest."""
        now = time.monotonic()
        printed = {key: until for key, until in self._printed.items() if until > now}
        new = []
        for problem in problems:
            text, limit = sentence(problem), getattr(problem, "limit", None)
            key = limit or _SECONDS.sub("", text)
            if key not in self._printed and key not in printed:
                new.append(text)
            printed[key] = now + _AWAY if limit else now
        self._printed = printed
        for text in new[:_MOST]:
            complain(f"warning: {text}")
        if len(new) > _MOST:
            complain(f"warning: and {len(new) - _MOST} more problems (Host.problems has all of them)")
