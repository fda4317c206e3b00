"""Counts the virtual machines that one scan finds by their processes, so that no user crowds out another's."""

from collections import Counter
from collections.abc import Iterator

from vmiostat._core import Roots
from vmiostat.discovery.limits import MACHINES, MACHINES_OF_A_USER
from vmiostat.errors import Error, TopologyError
from vmiostat.system.processes import user


class MachineBudget:
    """In all, and of each user but root."""

    def __init__(self, roots: Roots) -> None:
        self._roots = roots
        self._machines: Counter[int | None] = Counter()
        """By user."""
        self._left_out: Counter[int | None] = Counter()

    def has_room(self, pid: int) -> bool:
        """Whether one more machine may be found, in this process."""
        owner = user(pid, self._roots)
        full = owner != 0 and self._machines[owner] >= MACHINES_OF_A_USER
        if full or self._machines.total() >= MACHINES:
            self._left_out[owner] += 1
            return False
        return True

    def add(self, pid: int) -> None:
        """Counts the machine of this process."""
        self._machines[user(pid, self._roots)] += 1

    def problems(self) -> Iterator[Error]:
        """What was left out."""
        if self._left_out:
            users = ", ".join(f"{count} of user {owner}" for owner, count in self._left_out.most_common(5))
            yield TopologyError(
                f"{self._left_out.total()} processes of VMMs are left out ({users}): up to {MACHINES_OF_A_USER} "
                f"virtual machines of a user other than root are found by their processes, and {MACHINES} in all",
                self._roots.shown("/proc"),
            )
