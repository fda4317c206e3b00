"""Queries libvirt for the block statistics of domains whose QEMU has no QMP socket for other clients.

Only for those: each query makes a worker thread of libvirt's daemon, one of 20, query one QEMU and wait for the answer.
A QEMU that is stopped, or that waits for dead storage, blocks the worker. So few queries are in flight at once, one for
a domain, and none for a QEMU that is visibly blocked.

Each query is a call on a daemon thread. One that never returns does not keep the process from ending.
"""

import selectors
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from functools import partial

from vmiostat._core import LatestStats, Roots
from vmiostat.discovery.libvirt.errors import sentence
from vmiostat.discovery.libvirt.events import Changes
from vmiostat.discovery.libvirt.link import Link
from vmiostat.model import Process
from vmiostat.qemu_stats.client import InFlightLimit, QueryError
from vmiostat.qemu_stats.libvirt_block_stats import counters_by_target
from vmiostat.qemu_stats.pending_call import PendingCall
from vmiostat.threads.detached_calls import DetachedCalls

CALLS_PER_CONNECTION = 4
"""libvirtd handles 5 calls of one client at a time."""

IN_FLIGHT_LIMIT = InFlightLimit(in_time=CALLS_PER_CONNECTION, in_total=2 * CALLS_PER_CONNECTION)
"""libvirtd has 20 workers by default."""

_CONNECT_TIMEOUT = 1.5
"""Seconds that a query waits for the connection; less than its deadline, so that the row says what it waited for."""

_BLOCKED = {
    b"T": "is stopped",
    b"t": "is stopped by a debugger",
    b"D": "is blocked in the kernel, perhaps by storage that does not answer",
}

_CHECKS, _CHECK_INTERVAL = 10, 0.01
"""How many times in a row a process must be seen to wait in the kernel, and seconds between. A QEMU with much I/O waits
there often, but briefly.
"""

Stats = dict[str, object]


class _Connection:
    """Separate from the connection of discovery, so that the calls of each count towards its own limit."""

    def __init__(self, uri: str, roots: Roots) -> None:
        self.link = Link(uri, DetachedCalls(1), Changes(), events=False)
        self.calls = DetachedCalls(CALLS_PER_CONNECTION)
        self._roots = roots
        self._opening = threading.Lock()

    def block_stats(self, uuid: str, process: Process | None) -> Stats:
        if process is not None:
            _check_not_blocked(process, self._roots)
        until = time.monotonic() + _CONNECT_TIMEOUT
        with self._opening:  # the first call opens it for all
            session = self.link.session(self._roots, until)
        stats = session.block_stats(uuid)
        self.link.works()
        return stats


class LibvirtStats:
    """The block statistics of libvirt's domains, each queried in a thread of its own."""

    def __init__(self, uri: str, roots: Roots) -> None:
        # One is opened and used only while those before it have as many calls in flight as they take.
        connections = IN_FLIGHT_LIMIT.in_total // CALLS_PER_CONNECTION
        self._connections = [_Connection(uri, roots) for _ in range(connections)]

    def start(self, uuid: str, process: Process | None) -> Future[Stats] | None:
        """Starts a query; None if no thread can start, or too many calls have not returned. Raises QueryError.

        `process` is the domain's QEMU: if that is visibly blocked, the result is a QueryError.
        """
        if any(connection.calls.running_for(uuid) is not None for connection in self._connections):
            raise QueryError("the last query has not been answered yet")
        for connection in self._connections:
            future = connection.calls.start(uuid, partial(connection.block_stats, uuid, process))
            if future is not None:
                return future
        return None

    def close(self) -> None:
        """Closes the connections, without waiting."""
        for connection in self._connections:
            connection.link.end()


class LibvirtQuery(PendingCall[Stats]):
    """One call."""

    events = selectors.EVENT_READ
    cpu_time = 0.0

    def advance(self) -> bool:
        """Raises what the call raised, as a QueryError."""
        error = self.future.exception()
        if error is not None:
            raise QueryError(sentence(error)) from error
        return True

    def overdue(self) -> None:
        """It holds nothing."""


class LibvirtClient:
    """Queries libvirt for one domain. `targets` has the target of each disk."""

    in_flight_limit = IN_FLIGHT_LIMIT
    user = None
    """libvirt runs most QEMUs as one user."""

    def __init__(
        self, stats: LibvirtStats, uuid: str, process: Process | None, targets: Mapping[LatestStats, str]
    ) -> None:
        self.latest_stats: Sequence[LatestStats] = tuple(targets)
        self._stats = stats
        self._uuid = uuid
        self._process = process
        self._targets = targets

    def query(self) -> LibvirtQuery:
        """Raises QueryError, and OSError."""
        return LibvirtQuery(partial(self._stats.start, self._uuid, self._process))

    def store(self, query: LibvirtQuery, time_ns: int, fresh_ns: int) -> None:
        found = counters_by_target(query.future.result())
        for latest, target in self._targets.items():
            if target in found:
                latest.put(time_ns, fresh_ns, **found[target])
            else:
                latest.failed(f"it returned no counters for {target!r}, perhaps because another call uses the domain")


def _check_not_blocked(process: Process, roots: Roots) -> None:
    """Raises QueryError for a QEMU that would only block a worker of libvirt."""
    state = _state(process.pid, roots)
    for _ in range(_CHECKS - 1):
        if state != b"D":
            break
        time.sleep(_CHECK_INTERVAL)
        state = _state(process.pid, roots)
    if state in _BLOCKED:
        raise QueryError(f"not queried, because the QEMU (process {process.pid}) {_BLOCKED[state]}")


def _state(pid: int, roots: Roots) -> bytes:
    """The state letter of the main thread, which is the one that answers."""
    stat = roots.read_or_none(f"/proc/{pid}/stat") or b""
    return next(iter(stat.rpartition(b")")[2].split()), b"")
