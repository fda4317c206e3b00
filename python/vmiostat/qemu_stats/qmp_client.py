"""Asks a QEMU by QMP, over a socket that it listens at: one short connection a question, and no word that waits.

QEMU serves one client of a socket at a time, and lets two wait. So a connection is closed as soon as it is answered;
one that is not greeted, since somebody else holds the socket or QEMU is stuck, is the only one of ours that waits.
"""

import selectors
import socket
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from functools import partial

from vmiostat._core import LatestStats, Roots
from vmiostat.discovery.vmm.command_line import CommandLine
from vmiostat.model import Process
from vmiostat.qemu_stats.client import QueryError
from vmiostat.qemu_stats.in_flight_limit import InFlightLimit
from vmiostat.qemu_stats.pending_call import PendingCall
from vmiostat.qemu_stats.qmp_block_stats import Counters, counters_by_name, sizes_by_node
from vmiostat.qemu_stats.qmp_connection import Connection, connected
from vmiostat.qemu_stats.qmp_conversation import Conversation
from vmiostat.threads.detached_calls import DetachedCalls

SIZES_EVERY = 60.0
"""Seconds between two questions for the sizes of images: QEMU looks at their files, and may wait for the storage."""

_SIZES = {"query-named-block-nodes": {"flat": True}}
"""Since QEMU 5.0; without `flat`, each image is told with all that lie behind it, and these with all behind them."""

_CHUNK = 1 << 16


class QmpQuery:
    """One connection, which is made in a thread of its own: greeting, questions, answers."""

    def __init__(self, connecting: PendingCall[Connection], commands: Mapping[str, Mapping[str, object]]) -> None:
        self.talk = Conversation(commands)
        self._connecting = connecting
        self._socket: socket.socket | None = None
        self.server = 0
        """The process that answers; 0 where this process's namespace cannot see it."""

    @property
    def events(self) -> int:
        """Reading, until there is something to say."""
        return selectors.EVENT_WRITE if self.talk.outgoing else selectors.EVENT_READ

    def fileno(self) -> int:
        return (self._socket or self._connecting).fileno()

    def advance(self) -> bool:
        """Takes the connection, sends what is to be sent, or takes what has come. Raises QueryError, and OSError."""
        if self._socket is None:
            self._socket, self.server = self._connecting.future.result()
            return False
        try:
            if self.talk.outgoing:
                self.talk.outgoing = self.talk.outgoing[self._socket.send(self.talk.outgoing) :]
                return False
            data = self._socket.recv(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            raise QueryError(f"the connection broke: {error.strerror}") from error
        if not data:
            raise QueryError("it closed the connection without an answer")
        self.talk.receive(data)
        return self.talk.done

    def close(self) -> None:
        # What is still being connected is closed once it is.
        self._connecting.future.add_done_callback(_close)
        self._connecting.close()


def _close(connecting: Future[Connection]) -> None:
    if connecting.exception() is None:
        connecting.result().socket.close()


class QmpClient:
    """The socket of one QEMU, at `path`. `reports` are its disks', each with the names that QEMU may have for it.

    `qemu` is whose answers are believed; None: anybody's who listens there.
    """

    def __init__(
        self,
        path: str,
        roots: Roots,
        reports: Mapping[LatestStats, Sequence[str]],
        slots: InFlightLimit,
        qemu: Process | None = None,
        told: CommandLine | None = None,
    ) -> None:
        self.reports = tuple(reports)
        self.slots = slots
        self._connect = partial(connected, path, qemu, told, roots)
        self._calls = DetachedCalls(1, "vmiostat-qmp")
        self._names = reports
        self._sizes: dict[str, Counters] = {}
        self._sizes_due = -SIZES_EVERY
        self._server: int | None = None

    def ask(self) -> QmpQuery:
        """Begins to connect. Raises QueryError, and OSError."""
        sizes = _SIZES if time.monotonic() >= self._sizes_due else {}
        connecting = PendingCall(partial(self._calls.start, "connect", self._connect))
        return QmpQuery(connecting, {"query-blockstats": {}, **sizes})

    def take(self, question: QmpQuery, time_ns: int, fresh_ns: int) -> None:
        """Each disk's counters to its report. Raises QueryError where there are no counters at all."""
        talk = question.talk
        for command in ("qmp_capabilities", "query-blockstats"):
            if command in talk.refused:
                raise QueryError(f"it refused {command}: {talk.refused[command]}")
        if self._server not in (None, question.server):
            for report in self.reports:
                report.restarted()
            self._sizes = {}
        self._server = question.server
        for command in _SIZES.keys() & (talk.returned.keys() | talk.refused.keys()):
            self._sizes = sizes_by_node(talk.returned.get(command))
            self._sizes_due = time.monotonic() + SIZES_EVERY
        found = counters_by_name(talk.returned["query-blockstats"], self._sizes)
        for report, names in self._names.items():
            counters = _of_first(names, found)
            if counters is None:
                report.failed(f"it knows no disk {' or '.join(map(ascii, names))}")
            else:
                report.put(time_ns, fresh_ns, **counters)


def _of_first(names: Sequence[str], found: Mapping[str, Counters]) -> Counters | None:
    return next((found[name] for name in names if name in found), None)
