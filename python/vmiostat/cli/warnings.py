"""The problems of discovery, on standard error: each once, and again when it has been away."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vmiostat.cli.output import complain, sentence

if TYPE_CHECKING:
    from collections.abc import Iterable

_SECONDS = re.compile(r"\b[0-9]+ s\b")
"""How long something has lasted: the same problem has another age each time."""


class Warnings:
    """Remembers the problems that there were the last time."""

    def __init__(self) -> None:
        self._printed: set[str] = set()

    def update(self, problems: Iterable[Exception]) -> None:
        """Prints those of the current problems that were not there the last time, a line each."""
        sentences = {_key(problem): sentence(problem) for problem in problems}
        for problem, text in sentences.items():
            if problem not in self._printed:
                complain(f"warning: {text}")
        self._printed = set(sentences)


def _key(problem: Exception) -> str:
    """The same for the same problem, although numbers in its text change."""
    return getattr(problem, "limit", None) or _SECONDS.sub("", sentence(problem))
