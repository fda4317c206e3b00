"""What was true when: which device had a name or number, and how much traffic it had carried.

Times are CLOCK_MONOTONIC in nanoseconds, as in records. The journal knows only between which two instants something
happened, so that it answers with everything that may have been true within a time.
"""

import threading
import time
from bisect import bisect_right
from collections.abc import Hashable
from dataclasses import dataclass, field

FOREVER = 1 << 62
KEPT = 20 * 10**9
"""What ended so long ago is forgotten."""


@dataclass
class Count:
    """A number that only grows."""

    total: int = 0
    _begun: list[int] = field(default_factory=list)
    _ended: list[int] = field(default_factory=list)
    _totals: list[int] = field(default_factory=lambda: [0])
    """Before each addition, and after the last."""

    def begins(self, by: int) -> None:
        """It grows from now on..."""
        self.total += by
        self._totals.append(self.total)
        self._begun.append(time.monotonic_ns())

    def ends(self) -> None:
        """...until now."""
        self._ended.append(time.monotonic_ns())

    def within(self, begin: int, end: int) -> tuple[int, int]:
        """Its least value at `begin`, its greatest at `end`."""
        return self._totals[bisect_right(self._ended, begin)], self._totals[bisect_right(self._begun, end)]


@dataclass(eq=False)
class Device:
    """One device from its making to its end, whatever it is called. No two carry the same amounts."""

    name: str
    index: int
    """Its ifindex, or the diskseq of its medium."""
    counts: dict[str, Count]
    """By the counter of a record. A counter that is not here is not checked."""
    sizes: dict[str, int]
    """Bytes of a packet or a request, by that counter: its own."""
    capacities: set[int] = field(default_factory=set)
    """Of a disk: each that it has had."""
    ends_at: int = FOREVER
    """When its removal began."""

    def ends_now(self) -> None:
        self.ends_at = time.monotonic_ns()

    def __repr__(self) -> str:
        carried = {counter: f"{count.total} of {self.sizes[counter]} bytes" for counter, count in self.counts.items()}
        return f"{self.name} ({self.index}): {carried}"


@dataclass(eq=False)
class Stay:
    """The time for which a device may have had a place (a name in a namespace, or a device number)."""

    device: Device
    begin: int
    end: int = FOREVER


class Journal:
    """Written by one thread and read by many."""

    def __init__(self) -> None:
        self._stays: dict[Hashable, list[Stay]] = {}
        self._lock = threading.Lock()

    def enters(self, place: Hashable, device: Device) -> None:
        """Call it before the device gets the place."""
        with self._lock:
            stays, now = self._stays.setdefault(place, []), time.monotonic_ns()
            stays[:] = [stay for stay in stays if stay.end > now - KEPT]
            stays.append(Stay(device, now))

    def has_left(self, place: Hashable, device: Device) -> None:
        """Call it after the device has lost the place."""
        now = time.monotonic_ns()
        for stay in self._stays[place]:
            if stay.device is device and stay.end == FOREVER:
                stay.end = now

    def devices(self, place: Hashable, begin: int, end: int) -> list[Device]:
        """Those that may have had the place within this time, each once."""
        with self._lock:
            stays = self._stays.get(place, [])[:]
        return list(dict.fromkeys(stay.device for stay in stays if stay.begin <= end and stay.end >= begin))
