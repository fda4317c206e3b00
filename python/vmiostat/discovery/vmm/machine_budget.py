"""What one scan spends on the processes of each user, so that none crowds out another's virtual machines."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from vmiostat._core import Roots
from vmiostat.discovery.limits import (
    DEVICES_OF_A_USER,
    MACHINES,
    MACHINES_OF_A_USER,
    SCAN_TIME_OF_A_USER,
    LimitReached,
)
from vmiostat.discovery.vmm.process import VmmProcess
from vmiostat.errors import Error

User = int | None
"""None is several users at once (setuid)."""


class MachineBudget:
    """Virtual machines in all, and of each user but root: machines, their devices, CPU time."""

    def __init__(self, roots: Roots) -> None:
        self._shown = roots.shown("/proc")
        self._machines: Counter[User] = Counter()
        self._devices: Counter[User] = Counter()
        self._cpu_time: defaultdict[User, float] = defaultdict(float)
        self._left_out: Counter[User] = Counter()
        self._without_devices: Counter[User] = Counter()
        self._not_examined: Counter[User] = Counter()

    def has_time(self, user: User) -> bool:
        """Whether one more process of the user may be examined."""
        if user == 0 or self._cpu_time[user] < SCAN_TIME_OF_A_USER:
            return True
        self._not_examined[user] += 1
        return False

    @contextmanager
    def time_of(self, user: User) -> Iterator[None]:
        """Counts the CPU time that passes."""
        before = time.thread_time()
        try:
            yield
        finally:
            self._cpu_time[user] += time.thread_time() - before

    def has_room(self, user: User) -> bool:
        """Whether one more machine of the user may be found."""
        full = user != 0 and self._machines[user] >= MACHINES_OF_A_USER
        if full or self._machines.total() >= MACHINES:
            self._left_out[user] += 1
            return False
        return True

    def add(self, user: User, vmm: VmmProcess) -> VmmProcess:
        """Counts a machine of the user; returns it, without those of its devices that are too many."""
        self._machines[user] += 1
        devices = len(vmm.domain.disks) + len(vmm.domain.interfaces)
        room = DEVICES_OF_A_USER - self._devices[user]
        if user != 0 and devices > room:
            self._without_devices[user] += 1
            disks, interfaces = vmm.domain.disks[:room], vmm.domain.interfaces
            domain = replace(vmm.domain, disks=disks, interfaces=interfaces[: room - len(disks)])
            devices, vmm = room, replace(vmm, domain=domain, parsed=None)
        self._devices[user] += devices
        return vmm

    def problems(self) -> Iterator[Error]:
        """What was left out."""
        yield from self._problem(
            self._left_out,
            "machines",
            "processes of VMMs are left out",
            f"up to {MACHINES_OF_A_USER} virtual machines of a user other than root are found by their processes, and "
            f"{MACHINES} in all",
        )
        yield from self._problem(
            self._without_devices,
            "devices",
            "virtual machines are shown without some of their devices",
            f"the virtual machines of a user other than root have up to {DEVICES_OF_A_USER} devices in all",
        )
        yield from self._problem(
            self._not_examined,
            "time",
            "processes were not examined in this scan",
            f"a scan spends up to {SCAN_TIME_OF_A_USER:g} s of CPU time on the processes of a user other than root",
        )

    def _problem(self, counts: Counter[User], limit: str, what: str, why: str) -> Iterator[Error]:
        if counts:
            users = ", ".join(f"{count} of user {user}" for user, count in counts.most_common(5))
            yield LimitReached(f"{counts.total()} {what} ({users}): {why}", self._shown, limit)
