"""Measures columns interleaved, A B C, B A C: a busy machine slows all of them down alike, and their ratios hold."""

import gc
import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benches.column import Column

SPAN = 1e6
"""Nanoseconds that a column is measured for at a time; a shorter one is called repeatedly."""
FEWEST, MOST = 5, 200
"""Passes over all columns."""


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
    """For about so long; at least FEWEST passes, or one if there is no time at all."""
    check_agreement(columns)
    if seconds == 0:
        rounds, passes = dict.fromkeys(range(len(columns)), 1), 1
    else:
        once = [column.measure(1) for column in columns]
        rounds = {at: max(1, int(SPAN / time)) for at, time in enumerate(once)}
        cycle = sum((rounds[at] + 1) * time for at, time in enumerate(once))
        passes = min(max(int(seconds * 1e9 / cycle), FEWEST), MOST)
    times: list[list[float]] = [[] for _ in columns]
    shuffle = random.Random(0)
    gc.disable()
    try:
        for _ in range(passes):
            for at in shuffle.sample(range(len(columns)), len(columns)):  # so that none always follows the same other
                times[at].append(columns[at].measure(rounds[at]))
    finally:
        gc.enable()
    check_agreement(columns)
    return [
        Measured(column.name, round(median(of), 1), round(min(of), 1))
        for column, of in zip(columns, times, strict=True)
    ]
