"""A column of the table: one way to the numbers, which can be measured, and which has to say what the others say."""

from collections.abc import Callable
from time import perf_counter_ns
from typing import Generic, Protocol, TypeVar

Counters = dict[str, tuple[int, ...]]
"""By device: libvirt's numbers; without errs for disks, which no file of Linux has."""

Answer = TypeVar("Answer")


class Column(Protocol):
    @property
    def name(self) -> str: ...
    def measure(self, rounds: int) -> float:
        """Nanoseconds a round."""

    def counters(self) -> Counters:
        """What it says now."""


class Here(Generic[Answer]):
    """A call in this process; `read` gets the counters out of its answer, and is not measured."""

    def __init__(self, name: str, call: Callable[[], Answer], read: Callable[[Answer], Counters]) -> None:
        self.name, self.call, self._read = name, call, read

    def measure(self, rounds: int) -> float:
        call = self.call
        call()  # what others have pushed out of the caches comes back
        start = perf_counter_ns()
        for _ in range(rounds):
            call()
        return (perf_counter_ns() - start) / rounds

    def counters(self) -> Counters:
        return self._read(self.call())
