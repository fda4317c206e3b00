"""Asks libvirt for the block statistics of domains whose QEMU has no socket to give.

Only for just those: each question makes libvirt's daemon ask one QEMU, with one of its 20 workers, until that answers.
A QEMU that is stopped, or that waits for dead storage, keeps the worker for as long. So few questions are out at once,
one for a domain, and none where the QEMU can be seen to stand still.

Each question is a daemon thread's. One that is never answered sleeps on, and keeps no process from ending.
"""

import os
import selectors
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from functools import partial

from vmiostat._core import Report, Roots
from vmiostat.askers.libvirt_answers import counters_by_target
from vmiostat.askers.question import AskError
from vmiostat.askers.slots import Slots
from vmiostat.discovery.libvirt_calls import Calls
from vmiostat.discovery.libvirt_errors import sentence
from vmiostat.discovery.libvirt_events import Changes
from vmiostat.discovery.libvirt_link import Link
from vmiostat.errors import SourceError
from vmiostat.model import Process

AT_ONCE = 4
"""Questions at a time. libvirtd has 20 workers, unless it is set otherwise, and takes 5 calls of one client."""

_CONNECTING = 5.0
"""Seconds that a question waits for the connection."""

_STANDS_STILL = {
    b"T": "is stopped",
    b"t": "is stopped by a debugger",
    b"D": "waits in the kernel, as for storage that does not answer",
}

Stats = dict[str, object]


class LibvirtStats:
    """A connection to libvirt for statistics: its own, so that discovery's calls and these do not count together."""

    def __init__(self, uri: str, roots: Roots) -> None:
        self._roots = roots
        self._link = Link(uri, Calls(1), Changes(), events=False)
        self._calls = Calls(AT_ONCE)
        self.slots = Slots(AT_ONCE, overdue_too=True)

    def start(self, uuid: str) -> Future[Stats]:
        """Asks in a thread of its own. Raises AskError."""
        future = self._calls.start(uuid, partial(self._block_stats, uuid))
        if future is None:
            raise AskError("no thread is to be had for the question")
        return future

    def end(self) -> None:
        """Closes the connection; nobody waits for it."""
        self._link.end()

    def _block_stats(self, uuid: str) -> Stats:
        session = self._link.session(self._roots, time.monotonic() + _CONNECTING)
        stats = session.block_stats(uuid)
        self._link.works()
        return stats


class LibvirtQuestion:
    """One call. Its descriptor can be read once it has returned."""

    events = selectors.EVENT_READ

    def __init__(self, future: Future[Stats]) -> None:
        self.future = future
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()
        self._returned = self._closed = False
        future.add_done_callback(self._has_returned)

    def fileno(self) -> int:
        return self._descriptor

    def advance(self) -> bool:
        """The call has returned. Raises AskError with what it raised."""
        error = self.future.exception()
        if error is not None:
            raise AskError(sentence(error)) from error
        return True

    def close(self) -> None:
        """A call cannot be taken back: the descriptor is its own until it returns."""
        with self._lock:
            self._closed = True
            if self._returned:
                os.close(self._descriptor)

    def _has_returned(self, _: Future[Stats]) -> None:
        with self._lock:
            self._returned = True
            if self._closed:
                os.close(self._descriptor)
            else:
                os.eventfd_write(self._descriptor, 1)


class LibvirtBlockAsker:
    """One domain of libvirt's. `reports` are its disks', each with its target."""

    def __init__(
        self, stats: LibvirtStats, uuid: str, process: Process | None, roots: Roots, reports: Mapping[Report, str]
    ) -> None:
        self.reports: Sequence[Report] = tuple(reports)
        self.slots = stats.slots
        self._stats = stats
        self._uuid = uuid
        self._process = process
        self._roots = roots
        self._targets = reports

    def ask(self) -> LibvirtQuestion:
        """Raises AskError, also where the QEMU is seen to stand still: it would only cost libvirt a worker."""
        if self._process is not None:
            state = _state(self._process.pid, self._roots)
            if state in _STANDS_STILL:
                raise AskError(f"was not asked, since the QEMU (process {self._process.pid}) {_STANDS_STILL[state]}")
        return LibvirtQuestion(self._stats.start(self._uuid))

    def take(self, question: LibvirtQuestion, time_ns: int, fresh_ns: int) -> None:
        """Each disk's counters to its report."""
        found = counters_by_target(question.future.result())
        for report, target in self._targets.items():
            if target in found:
                report.put(time_ns, fresh_ns, **found[target])
            else:
                report.failed(f"it has no counters of {target!r}: another call may keep the domain busy")


def _state(pid: int, roots: Roots) -> bytes:
    """The letter of the process's main thread, which is the one that answers."""
    try:
        return roots.read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[0]
    except (SourceError, IndexError):
        return b""
