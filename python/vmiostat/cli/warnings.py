"""What kept discovery from finding more, told on standard error: each problem once, and again when it comes back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vmiostat.cli.output import complain, sentence

if TYPE_CHECKING:
    from collections.abc import Iterable

_SECONDS = re.compile(r"\b[0-9]+ s\b")
"""How long something has lasted: the same problem has another age each time."""


class Warnings:
    """Knows what it has told."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def tell(self, problems: Iterable[Exception]) -> None:
        """Tells what there is now and was not there the last time, a line each."""
        sentences = {_SECONDS.sub("", text): text for text in map(sentence, problems)}
        for problem, text in sentences.items():
            if problem not in self._told:
                complain(f"warning: {text}")
        self._told = set(sentences)
