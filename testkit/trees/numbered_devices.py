"""A made machine whose devices bear numbers, and plans of some of them."""

from pathlib import Path

from vmiostat import Poller, Roots
from vmiostat.counter_sources import BlockDevice, NetDevice

InterfaceRows = list[tuple[str, str, NetDevice | None, bool]]
BlockRows = list[tuple[str, str, BlockDevice | None]]


class Tree:
    """A captured machine of interfaces net0, net1, ... and disks 7:0, 7:1, ...; the number is in all their counters."""

    def __init__(self, root: Path, count: int) -> None:
        self.root, self.count = root, count
        (root / "proc/net").mkdir(parents=True)
        self.write(0)
        for minor in range(count):
            stat = root / f"sys/dev/block/7:{minor}/stat"
            stat.parent.mkdir(parents=True)
            stat.write_text(" ".join([str(minor)] * 17) + "\n")

    def write(self, more: int) -> None:
        """Interface N has 100 x N bytes, and `more` more."""
        lines = [f"net{n}: " + " ".join([str(100 * n + more)] * 16) for n in range(self.count)]
        (self.root / "proc/net/dev").write_text("\n".join(["Inter-|", " face |", *lines, ""]))

    def poller(self, numbers: list[int]) -> Poller:
        return Poller(Roots(self.root), disks(numbers), nics(numbers))


def nics(numbers: list[int], domain: str = "web") -> InterfaceRows:
    return [(domain, f"net{n}", NetDevice(f"net{n}"), False) for n in numbers]


def disks(numbers: list[int], domain: str = "web") -> BlockRows:
    return [(domain, f"disk{n}", BlockDevice(7, n)) for n in numbers]


def carried_over(old: list[int], new: list[int]) -> list[int | None]:
    return [old.index(n) if n in old else None for n in new]


def change(poller: Poller, old: list[int], new: list[int]) -> None:
    poller.replan(disks(new), nics(new), carried_over(old, new), carried_over(old, new))
