"""Measures columns in turns, A B C, B A C: what a busy machine does to one it does to all, so that ratios hold."""

import gc
import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benches.column import Column

TURN = 1e6
"""Nanoseconds: a shorter column is called over and over for so long."""
FEWEST, MOST = 5, 200
"""Turns."""


@dataclass(frozen=True)
class Measured:
    """Nanoseconds a round."""

    name: str
    median_ns: float
    min_ns: float


def check_agreement(columns: Sequence[Column]) -> None:
    """All say the same of the same devices."""
    first, *others = columns
    expected = first.counters()
    assert expected
    for column in others:
        assert column.counters() == expected, f"{column.name} does not agree with {first.name}"


def measure(columns: Sequence[Column], seconds: float) -> list[Measured]:
    """For about so long; at least FEWEST turns each, or one if there is no time at all."""
    check_agreement(columns)
    if seconds == 0:
        rounds, turns = dict.fromkeys(range(len(columns)), 1), 1
    else:
        once = [column.measure(1) for column in columns]
        rounds = {at: max(1, int(TURN / time)) for at, time in enumerate(once)}
        cycle = sum((rounds[at] + 1) * time for at, time in enumerate(once))
        turns = min(max(int(seconds * 1e9 / cycle), FEWEST), MOST)
    times: list[list[float]] = [[] for _ in columns]
    shuffle = random.Random(0)
    gc.disable()
    try:
        for _ in range(turns):
            for at in shuffle.sample(range(len(columns)), len(columns)):  # so nobody always follows the same other
                times[at].append(columns[at].measure(rounds[at]))
    finally:
        gc.enable()
    check_agreement(columns)
    return [
        Measured(column.name, round(median(of), 1), round(min(of), 1))
        for column, of in zip(columns, times, strict=True)
    ]
