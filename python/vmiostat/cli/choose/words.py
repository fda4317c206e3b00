"""The words of a command line that are not options: `[DOMAIN ...] [interval [count]]`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

COMMANDS = {"devices": "show where each device's counters come from, or why it has none"}
"""The first argument, if it is no option. Each is a module here with a `parser()` and a `run(options, signals)`."""
LONGEST_INTERVAL = 10**9
"""Seconds. A longer one is a typing error, and time.sleep would refuse it."""


@dataclass(frozen=True)
class Words:
    """What the words mean."""

    domains: tuple[str, ...]
    interval: float | None = None
    count: int | None = None


def split(words: list[str]) -> Words:
    """The last two words are an interval and a count if they are numbers; every other word is a domain.

    >>> split(["web*", "1", "10"])
    Words(domains=('web*',), interval=1.0, count=10)
    >>> split(["100", "101", "1", "10"]).domains
    ('100', '101')
    """
    if len(words) > 1 and all(map(_is_number, words[-2:])):
        return Words(tuple(words[:-2]), interval(words[-2]), count(words[-1]))
    if words and _is_number(words[-1]):
        return Words(tuple(words[:-1]), interval(words[-1]))
    return Words(tuple(words))


def interval(text: str) -> float:
    """Seconds between two reports."""
    try:
        seconds = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None
    if not 0 < seconds <= LONGEST_INTERVAL:
        raise argparse.ArgumentTypeError(
            f"{text} is not an interval: it must be above 0 and at most {LONGEST_INTERVAL} seconds"
        )
    return max(seconds, 1e-9)  # the clock's unit: dividing by less can overflow


def count(text: str) -> int:
    """How many reports, or rows."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a count: it must be a whole number, at least 1")
    return min(number, sys.maxsize)  # so many reports never end


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
