"""Fake QEMUs with clients that query them, and a poller of their disks."""

import os
import selectors
from contextlib import ExitStack
from pathlib import Path

from testkit.fakes import qemu as fake_qemu
from testkit.fakes.qemu import FakeQemu, Serve
from vmiostat import Poller, Roots
from vmiostat._core import LatestStats
from vmiostat.counter_sources import VmmReported
from vmiostat.qemu_stats.client import InFlightLimit
from vmiostat.qemu_stats.qmp_client import IN_FLIGHT_LIMIT, QmpClient
from vmiostat.qemu_stats.query_thread import OnDemand, QueryThread

DEADLINE = 0.3


class QueriedQemus:
    """Each QEMU has one disk, virtio-disk0, and a client; `poller` has a row for each."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.roots = Roots(folder)
        self.latest_stats: dict[str, LatestStats] = {}
        self.clients: dict[str, QmpClient] = {}

    def qemu(self, name: str, serve: Serve | None = None) -> FakeQemu:
        """A QEMU that query threads made later will query."""
        (self.folder / "run").mkdir(exist_ok=True)
        made = self.stack.enter_context(fake_qemu.running(self.folder / "run" / name, serve))
        latest = self.latest_stats[name] = LatestStats(f"QMP /run/{name}")
        self.clients[name] = QmpClient(f"/run/{name}", self.roots, {latest: ("virtio-disk0", "vda")})
        return made

    def use_path(self, name: str, path: str) -> None:
        """Queries the QEMU through another path to its socket."""
        names = {self.latest_stats[name]: ("virtio-disk0",)}
        self.clients[name] = QmpClient(f"/run/{path}", self.roots, names)

    def query_thread(self, interval: float | OnDemand = "on demand") -> QueryThread:
        thread = QueryThread(interval, DEADLINE)
        self.stack.callback(thread.close)
        thread.set_clients(self.clients.values())
        return thread

    def poller(self) -> Poller:
        rows = [(name, "vda", VmmReported(latest)) for name, latest in self.latest_stats.items()]
        return self.stack.enter_context(Poller(self.roots, rows, []))


def open_files() -> set[str]:
    """This process's open descriptors, except that of the listing itself."""
    return {path.name for path in Path("/proc/self/fd").iterdir() if path.is_symlink()}


def states(poller: Poller) -> list[str]:
    return [row.state for row in poller.poll().block]


class FailingClient:
    """Raises an error from `query`, or from `advance` if `later`."""

    events = selectors.EVENT_WRITE
    cpu_time = 0.0

    def __init__(
        self,
        error: BaseException,
        *,
        later: bool = False,
        limit: InFlightLimit = IN_FLIGHT_LIMIT,
        user: int | None = None,
    ) -> None:
        self.latest_stats = [LatestStats("QMP")]
        self.in_flight_limit = limit
        self.user = user
        self.queries = 0
        self._error, self._later = error, later

    def query(self) -> "FailingClient":
        self.queries += 1
        if not self._later:
            raise self._error
        self._pipe = os.pipe()
        return self

    def fileno(self) -> int:
        return self._pipe[1]

    def advance(self) -> bool:
        raise self._error

    def overdue(self) -> None:
        raise AssertionError

    def close(self) -> None:
        for descriptor in self._pipe:
            os.close(descriptor)

    def store(self, _query: object, _time_ns: int, _fresh_ns: int) -> None:
        raise AssertionError
