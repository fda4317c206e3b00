"""Asks libvirt for the block statistics of domains whose QEMU has no socket to give.

Only for just those: each question makes libvirt's daemon ask one QEMU, with one of its 20 workers, until that answers.
A QEMU that is stopped, or that waits for dead storage, keeps the worker for as long. So few questions are out at once,
one for a domain, and none where the QEMU can be seen to stand still.

Each question is a daemon thread's. One that is never answered sleeps on, and keeps no process from ending.
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
from vmiostat.qemu_stats.client import QueryError
from vmiostat.qemu_stats.in_flight_limit import InFlightLimit
from vmiostat.qemu_stats.libvirt_block_stats import counters_by_target
from vmiostat.qemu_stats.pending_call import PendingCall
from vmiostat.threads.detached_calls import DetachedCalls

AT_ONCE = 4
"""Questions at a time that are in time, and calls over one connection: libvirtd takes 5 calls of one client."""

IN_ALL = 8
"""Questions at a time with those that are overdue. libvirtd has 20 workers, unless it is set otherwise."""

_CONNECTING = 1.5
"""Seconds that a question waits for the connection: less than it may take, so that the row says what it waited for."""

_STANDS_STILL = {
    b"T": "is stopped",
    b"t": "is stopped by a debugger",
    b"D": "waits in the kernel, as for storage that does not answer",
}

_LOOKS, _APART = 10, 0.01
"""How often a process is seen to wait in the kernel until that counts, and seconds between. Much input and output are
many short waits.
"""

Stats = dict[str, object]


class _Connection:
    """Its own, so that discovery's calls and these do not count together."""

    def __init__(self, uri: str, roots: Roots) -> None:
        self.link = Link(uri, DetachedCalls(1), Changes(), events=False)
        self.calls = DetachedCalls(AT_ONCE)
        self._roots = roots
        self._opening = threading.Lock()

    def block_stats(self, uuid: str, process: Process | None) -> Stats:
        if process is not None:
            _refuse_what_stands_still(process, self._roots)
        until = time.monotonic() + _CONNECTING
        with self._opening:  # the first one opens it for all
            session = self.link.session(self._roots, until)
        stats = session.block_stats(uuid)
        self.link.works()
        return stats


class LibvirtStats:
    """What libvirt knows of domains' disks. Each domain is asked about in a thread of its own."""

    def __init__(self, uri: str, roots: Roots) -> None:
        # All but the first are used, and opened, only while those before have as many calls out as they take.
        self._connections = [_Connection(uri, roots) for _ in range(IN_ALL // AT_ONCE)]
        self.slots = InFlightLimit(AT_ONCE, IN_ALL)

    def ask(self, uuid: str, process: Process | None) -> Future[Stats] | None:
        """None where there is no thread, or too many calls have not returned. Raises QueryError.

        `process` is the domain's QEMU: if it is seen to stand still, the answer is an QueryError.
        """
        if any(one.calls.waiting(uuid) is not None for one in self._connections):
            raise QueryError("its last question has no answer yet")
        for one in self._connections:
            future = one.calls.start(uuid, partial(one.block_stats, uuid, process))
            if future is not None:
                return future
        return None

    def end(self) -> None:
        """Closes the connections; nobody waits for it."""
        for one in self._connections:
            one.link.end()


class LibvirtQuery(PendingCall[Stats]):
    """One call."""

    events = selectors.EVENT_READ

    def advance(self) -> bool:
        """The call has returned. Raises QueryError with what it raised."""
        error = self.future.exception()
        if error is not None:
            raise QueryError(sentence(error)) from error
        return True


class LibvirtClient:
    """One domain of libvirt's. `reports` are its disks', each with its target."""

    def __init__(
        self, stats: LibvirtStats, uuid: str, process: Process | None, reports: Mapping[LatestStats, str]
    ) -> None:
        self.reports: Sequence[LatestStats] = tuple(reports)
        self.slots = stats.slots
        self._stats = stats
        self._uuid = uuid
        self._process = process
        self._targets = reports

    def ask(self) -> LibvirtQuery:
        """Raises QueryError, and OSError."""
        return LibvirtQuery(partial(self._stats.ask, self._uuid, self._process))

    def take(self, question: LibvirtQuery, time_ns: int, fresh_ns: int) -> None:
        """Each disk's counters to its report."""
        found = counters_by_target(question.future.result())
        for report, target in self._targets.items():
            if target in found:
                report.put(time_ns, fresh_ns, **found[target])
            else:
                report.failed(f"it has no counters of {target!r}: another call may keep the domain busy")


def _refuse_what_stands_still(process: Process, roots: Roots) -> None:
    """Raises QueryError: to ask about it would only cost libvirt a worker."""
    state = _state(process.pid, roots)
    for _ in range(_LOOKS - 1):
        if state != b"D":
            break
        time.sleep(_APART)
        state = _state(process.pid, roots)
    if state in _STANDS_STILL:
        raise QueryError(f"was not asked, since the QEMU (process {process.pid}) {_STANDS_STILL[state]}")


def _state(pid: int, roots: Roots) -> bytes:
    """The letter of the process's main thread, which is the one that answers."""
    stat = roots.read_or_none(f"/proc/{pid}/stat") or b""
    return next(iter(stat.rpartition(b")")[2].split()), b"")
