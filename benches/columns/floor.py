"""A column of bare system calls: what nothing that asks the kernel in the same way can beat."""

from benches.column import Counters
from benches.columns.floor_answers import Reader
from benches.floor.program import Floor


class FloorColumn:
    """Some of the floor's ways, which make one round together, each with what reads its answers."""

    def __init__(self, name: str, floor: Floor, readers: dict[str, Reader]) -> None:
        self.name, self._floor, self._readers = name, floor, readers

    def measure(self, rounds: int) -> float:
        return self._floor.measure("+".join(self._readers), rounds)

    def counters(self) -> Counters:
        counters: Counters = {}
        for way, read in self._readers.items():
            counters |= read(self._floor.show(way))
        return counters
