"""Fits a table into a terminal: names lose their middle, then the columns of least worth go."""

from __future__ import annotations

from itertools import accumulate
from typing import NamedTuple

from vmiostat.cli.names import LONGEST, width

NAMES = ((LONGEST, LONGEST), (32, 24), (24, 16), (16, 14), (12, 10))
"""Columns of the longest domain and device, from the widest table to the narrowest."""
ENOUGH = 6
"""Numbers for which names are cut."""


class Fit(NamedTuple):
    """What fits."""

    domain: int
    """Columns of the longest name of a domain."""
    device: int
    numbers: list[int]
    """The indexes of the columns that stay."""


def fit(room: int | None, names: tuple[int, int], others: list[int], numbers: list[tuple[int, int]]) -> Fit:
    """The best table in a terminal of so many columns, or without one.

    `names` are the widths of the longest names, `others` those of columns that stay, `numbers` the width and worth of
    each number's.

    >>> fit(40, (4, 3), [], [(6, 3), (6, 1), (6, 2), (20, 0)]).numbers
    [0, 1, 2]
    """
    every = list(range(len(numbers)))
    if room is None:
        return Fit(*NAMES[0], every)
    best = Fit(*NAMES[-1], [])
    for domain, device in NAMES:
        left = room - sum(others) - len(others) - min(domain, names[0]) - min(device, names[1]) - 1
        kept = []
        for index in sorted(every, key=lambda index: -numbers[index][1]):
            if (left := left - numbers[index][0] - 1) < 0:
                break
            kept.append(index)
        if len(kept) > len(best.numbers):  # else shorter names gain nothing
            best = Fit(domain, device, sorted(kept))
        if len(kept) >= min(ENOUGH, len(numbers)):
            break
    return best


def clipped(text: str, room: int | None) -> str:
    """A line without what goes beyond the terminal."""
    if room is None or width(text) <= room:
        return text
    return "".join(character for character, end in zip(text, accumulate(map(width, text)), strict=True) if end <= room)


def wrapped(text: str, room: int | None) -> list[str]:
    """A note in lines that fit, each but the first one indented."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1].strip() else lines[-1] + word
        if room is not None and width(longer) > room and lines[-1].strip():
            lines.append("  " + word)
        else:
            lines[-1] = longer
    return [clipped(line, room) for line in lines]
