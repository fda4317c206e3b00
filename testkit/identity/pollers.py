"""Pollers of the changing devices: of every source, pinned and not."""

import errno
import os
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

from testkit.identity.claims import Claims
from testkit.identity.disks import Disks
from testkit.identity.interfaces import ELSEWHERE, HERE, IDLE, NAMES, Interfaces
from testkit.identity.journal import Journal
from testkit.identity.processes import PIDS, Processes
from testkit.trees.libvirt import LibvirtTree
from vmiostat import Domain, Host, Poller, Roots, SourceError
from vmiostat.counter_sources import BlockDevice, InterfaceSource, NetDevice, ProcessIo

NO_SUCH = (1 << 30) + 7
"""No interface and no medium has this number."""
MISSING = [(999, number) for number in range(64)]
"""So many disks that a pass over /proc/diskstats is the cheapest route to them all."""
FOLLOWED = "followed"


class Subject:
    """A poller that is closed and opened now and then. One thread at a time polls it."""

    def __init__(self, name: str, open_: Callable[[str], tuple[Poller, Claims]]) -> None:
        self.name, self._open = name, open_
        self._lock = threading.Lock()
        self._poller, self._claims = open_(name)
        self.checked = 0
        """Rows that were `ok` in all."""

    def poll(self) -> None:
        with self._lock:
            begin = time.monotonic_ns()
            sample = self._poller.poll()
            end = time.monotonic_ns()
            self._claims.check(sample, begin, end)
            self.checked, self._claims.checked = self.checked + self._claims.checked, 0

    def explained(self) -> set[str]:
        """Where its rows come from."""
        return {f"{one.source}, {one.why}" for one in self._poller.explain()}

    def reopen(self) -> None:
        self._poller.reopen()

    def replace(self) -> None:
        """Another poller of the same devices, unless there are too few descriptors for its host."""
        try:
            poller, claims = self._open(self.name)
        except SourceError as error:
            if error.errno != errno.EMFILE:
                raise
            return
        with self._lock:
            self._poller.close()
            self._poller, self._claims = poller, claims

    def close(self) -> None:
        self._poller.close()


class Subjects:
    """All pollers, in the network namespace that `sys` shows."""

    def __init__(
        self,
        journal: Journal,
        interfaces: Interfaces,
        disks: Disks,
        processes: Processes,
        sys: Path,
        folder: Path,
    ) -> None:
        self._journal, self._interfaces, self._disks = journal, interfaces, disks
        self._roots, self._processes_roots = Roots(sys=sys), Roots(proc=processes.proc)
        self._sys, self._tree = sys, LibvirtTree(folder / "machine")
        drives = [
            f"<disk type='block' device='disk'><source dev='{path}'/><target dev='{target}'/></disk>"
            for target, (_, path) in disks.targets.items()
        ]
        self._tree.start(FOLLOWED, NAMES, pid=os.getpid(), disks=drives)
        self.all: list[Subject] = []
        sources: list[tuple[InterfaceSource, Sequence[str], str]] = [
            ("proc", (), HERE),
            ("sysfs", (), HERE),
            ("netlink", (), HERE),
            ("proc", IDLE, HERE),
            ("netlink", IDLE, HERE),
            ("auto", IDLE, HERE),
            ("proc", (), ELSEWHERE),
            ("netlink", (), ELSEWHERE),
        ]
        for pinned in (False, True):
            how = "pinned" if pinned else "by name"
            for source, idle, namespace in sources:
                name = f"{source} of {'many' if idle else 'few'} {namespace}, {how}"
                self._add(name, self._interface_poller(source, [*NAMES, *idle], namespace, pinned=pinned))
            for missing in ((), MISSING):
                name = f"{'diskstats' if missing else 'stat files'}, {how}"
                self._add(name, self._disk_poller([*disks.places, *disks.partitions, *missing], pinned=pinned))
            self._add(f"processes, {how}", self._process_poller(pinned=pinned))
        self._add(FOLLOWED, self._following)

    def close(self) -> None:
        for subject in self.all:
            subject.close()

    def _add(self, name: str, open_: Callable[[str], tuple[Poller, Claims]]) -> None:
        self.all.append(Subject(name, open_))

    def _interface_poller(
        self, source: InterfaceSource, names: Sequence[str], namespace: str, *, pinned: bool
    ) -> Callable[[str], tuple[Poller, Claims]]:
        path = None if namespace == HERE else str(self._interfaces.elsewhere)

        def open_(name: str) -> tuple[Poller, Claims]:
            places = [(namespace, device) for device in names]
            numbers = self._numbers(places, pinned=pinned)
            rows = [("host", at[1], NetDevice(at[1], path, numbers.get(at)), False) for at in places]
            poller = Poller(self._roots, [], rows, interface_source=source, pinned=pinned)
            watched = dict(zip(NAMES, places, strict=False))
            only_numbered = places if namespace == ELSEWHERE else ()
            return poller, Claims(name, self._journal, watched, pins=numbers, only_numbered=only_numbered)

        return open_

    def _disk_poller(
        self, places: Sequence[tuple[int, int]], *, pinned: bool
    ) -> Callable[[str], tuple[Poller, Claims]]:
        def open_(name: str) -> tuple[Poller, Claims]:
            numbers = self._numbers(places, pinned=pinned)
            rows = [("host", _shown(place), BlockDevice(*place, numbers.get(place))) for place in places]
            poller = Poller(self._roots, rows, [], pinned=pinned)
            return poller, Claims(name, self._journal, {_shown(place): place for place in places}, pins=numbers)

        return open_

    def _process_poller(self, *, pinned: bool) -> Callable[[str], tuple[Poller, Claims]]:
        def open_(name: str) -> tuple[Poller, Claims]:
            places = [("pid", pid) for pid in PIDS]
            numbers = self._numbers(places, pinned=pinned)
            rows = [("host", str(place[1]), ProcessIo(place[1], numbers.get(place))) for place in places]
            poller = Poller(self._processes_roots, rows, [])
            shown = {str(place[1]): place for place in places}
            return poller, Claims(name, self._journal, shown, pins=numbers)

        return open_

    def _numbers(self, places: Sequence[Hashable], *, pinned: bool) -> dict[Hashable, int]:
        """What a pinned row is pinned to."""
        if not pinned:
            return {}
        now = time.monotonic_ns()
        devices = {place: self._journal.devices(place, now, now) for place in places}
        return {place: found[-1].index if found and found[-1].index else NO_SUCH for place, found in devices.items()}

    def _following(self, name: str) -> tuple[Poller, Claims]:
        host = Host(run=self._tree.root / "run", sys=self._sys, view="host")
        places: dict[str, Hashable] = {device: (HERE, device) for device in NAMES}
        places |= {target: place for target, (place, _) in self._disks.targets.items()}
        return host.follow(interval=1.0, select=_only_followed), Claims(name, self._journal, places)


def _shown(place: tuple[int, int]) -> str:
    return "{}:{}".format(*place)


def _only_followed(domain: Domain) -> Domain | None:
    """This machine may have guests."""
    return domain if domain.name == FOLLOWED else None
