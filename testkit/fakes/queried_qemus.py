"""Some QEMUs that are asked, or that cannot be, and a poller of their disks' rows."""

import os
import selectors
from contextlib import ExitStack
from pathlib import Path

from testkit.fakes import qemu as fake_qemu
from testkit.fakes.qemu import FakeQemu, Serve
from vmiostat import Poller, Roots
from vmiostat._core import LatestStats
from vmiostat.counter_sources import VmmReported
from vmiostat.qemu_stats.in_flight_limit import InFlightLimit
from vmiostat.qemu_stats.qmp_client import QmpClient
from vmiostat.qemu_stats.query_thread import OnDemand, QueryThread

DEADLINE = 0.3


class Asked:
    """Some QEMUs that are asked, and a poller of their disks' rows."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.roots = Roots(folder)
        self.slots = InFlightLimit(8)
        self.reports: dict[str, LatestStats] = {}
        self.askers: dict[str, QmpClient] = {}

    def qemu(self, name: str, serve: Serve | None = None) -> FakeQemu:
        """A QEMU with a disk called virtio-disk0, which is asked from the next `rounds` on."""
        (self.folder / "run").mkdir(exist_ok=True)
        made = self.stack.enter_context(fake_qemu.running(self.folder / "run" / name, serve))
        report = self.reports[name] = LatestStats(f"QMP /run/{name}")
        self.askers[name] = QmpClient(f"/run/{name}", self.roots, {report: ("virtio-disk0", "vda")}, self.slots)
        return made

    def named(self, name: str, path: str) -> None:
        """The QEMU is asked over another path to its socket."""
        names = {self.reports[name]: ("virtio-disk0",)}
        self.askers[name] = QmpClient(f"/run/{path}", self.roots, names, self.slots)

    def rounds(self, interval: float | OnDemand = "on demand") -> QueryThread:
        rounds = QueryThread(interval, DEADLINE)
        self.stack.callback(rounds.close)
        rounds.set(self.askers.values())
        return rounds

    def poller(self) -> Poller:
        rows = [(name, "vda", VmmReported(report)) for name, report in self.reports.items()]
        return self.stack.enter_context(Poller(self.roots, rows, []))


def open_files() -> set[str]:
    """What is open, but for the listing itself."""
    return {path.name for path in Path("/proc/self/fd").iterdir() if path.is_symlink()}


def states(poller: Poller) -> list[str]:
    return [row.state for row in poller.poll().block]


class Fails:
    """An asker that raises an error, in asking or when it is to go on."""

    events = selectors.EVENT_WRITE

    def __init__(self, slots: InFlightLimit, error: Exception, *, later: bool = False) -> None:
        self.reports = [LatestStats("QMP")]
        self.slots = slots
        self.asked = 0
        self._error, self._later = error, later

    def ask(self) -> "Fails":
        self.asked += 1
        if not self._later:
            raise self._error
        self._pipe = os.pipe()
        return self

    def fileno(self) -> int:
        return self._pipe[1]

    def advance(self) -> bool:
        raise self._error

    def close(self) -> None:
        for descriptor in self._pipe:
            os.close(descriptor)

    def take(self, _question: object, _time_ns: int, _fresh_ns: int) -> None:
        raise AssertionError
