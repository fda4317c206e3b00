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
_AWAY = 600.0
"""Seconds after which it is printed again that a limit was reached: others may make that come and go."""


class Warnings:
    """Remembers the problems that there were the last time."""

    def __init__(self) -> None:
        self._printed: dict[str, float] = {}
        """Until when each is not printed again."""

    def update(self, problems: Iterable[Exception]) -> None:
        """Prints those of the current problems that were not there the last time, a line each."""
        now = time.monotonic()
        printed = {key: until for key, until in self._printed.items() if until > now}
        for problem in problems:
            text, limit = sentence(problem), getattr(problem, "limit", None)
            key = limit or _SECONDS.sub("", text)
            if key not in self._printed and key not in printed:
                complain(f"warning: {text}")
            printed[key] = now + _AWAY if limit else now
        self._printed = printed
