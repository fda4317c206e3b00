"""Queries a QEMU over its QMP socket, with one short connection for each query.

QEMU serves one client of a socket at a time, and lets two wait. So each connection is closed once it is answered. If
QEMU does not greet, because it is stuck or serves another client, no second connection is made.
"""

import selectors
import socket
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from functools import partial

from vmiostat._core import LatestStats, Roots
from vmiostat.model import Process
from vmiostat.qemu_stats.client import InFlightLimit, QueryError
from vmiostat.qemu_stats.pending_call import PendingCall
from vmiostat.qemu_stats.qmp_block_stats import Counters, DiskStats, sizes_by_node, stats_by_name
from vmiostat.qemu_stats.qmp_connection import Connection, QmpSocket
from vmiostat.qemu_stats.qmp_conversation import Conversation
from vmiostat.system.processes import user
from vmiostat.threads.detached_calls import DetachedCalls

IN_FLIGHT_LIMIT = InFlightLimit(in_time=32)

SIZES_INTERVAL = 60.0
"""Seconds between queries of image sizes. For these QEMU examines the image files, and may wait for their storage."""

_SIZES = {"query-named-block-nodes": {"flat": True}}
"""`flat`, since QEMU 5.0, leaves out backing images, each of which would otherwise be listed with all behind it."""

_CHUNK = 1 << 16


class QmpQuery:
    """One connection, which a thread of its own makes: greeting, commands, answers."""

    def __init__(self, connecting: PendingCall[Connection], conversation: Conversation) -> None:
        self.conversation = conversation
        self.cpu_time = 0.0
        self._connecting = connecting
        self._socket: socket.socket | None = None
        self.server = 0
        """The process that answers; 0 if it is not visible in this process's PID namespace."""

    @property
    def events(self) -> int:
        return selectors.EVENT_WRITE if self.conversation.outgoing else selectors.EVENT_READ

    def fileno(self) -> int:
        return (self._socket or self._connecting).fileno()

    def advance(self) -> bool:
        """Takes the connection, or sends or receives once. Raises QueryError, and OSError."""
        conversation = self.conversation
        if self._socket is None:
            self._socket, self.server, self.cpu_time = self._connecting.future.result()
            return False
        try:
            if conversation.outgoing:
                conversation.outgoing = conversation.outgoing[self._socket.send(conversation.outgoing) :]
                return False
            data = self._socket.recv(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            raise QueryError(f"the connection failed: {error.strerror}") from error
        if not data:
            raise QueryError("it closed the connection without an answer")
        conversation.receive(data)
        return conversation.done

    def overdue(self) -> None:
        self.conversation.overdue()

    def close(self) -> None:
        # A connection that is still being made is closed once it is there.
        self._connecting.future.add_done_callback(_close)
        self._connecting.close()


def _close(connecting: Future[Connection]) -> None:
    if connecting.exception() is None:
        connecting.result().socket.close()


class QmpClient:
    """Queries one QEMU over its socket at `path`. `names` has the names by which QEMU may know each disk.

    Only answers from the process `qemu` count. If it is None, whoever listens on the socket is accepted.
    """

    in_flight_limit = IN_FLIGHT_LIMIT

    def __init__(
        self,
        path: str,
        roots: Roots,
        names: Mapping[LatestStats, Sequence[str]],
        qemu: Process | None = None,
    ) -> None:
        self.latest_stats = tuple(names)
        self.user = None if qemu is None else user(qemu.pid, roots)
        self._socket = QmpSocket(path, qemu, self.user, roots)
        self._calls = DetachedCalls(1, "vmiostat-qmp")
        self._names = names
        self._wanted = frozenset(name for some in names.values() for name in some)
        self._sizes: dict[str, Counters] = {}
        self._sizes_due = -SIZES_INTERVAL
        self._server: int | None = None

    def query(self) -> QmpQuery:
        """Starts to connect. Raises QueryError, and OSError."""
        sizes = _SIZES if time.monotonic() >= self._sizes_due else {}
        connecting = PendingCall(partial(self._calls.start, "connect", self._socket.connect))
        convert = {"query-blockstats": self._stats, **dict.fromkeys(_SIZES, sizes_by_node)}
        return QmpQuery(connecting, Conversation({"query-blockstats": {}, **sizes}, convert))

    def _stats(self, returned: object) -> dict[str, DiskStats]:
        return stats_by_name(returned, self._wanted)

    def store(self, query: QmpQuery, time_ns: int, fresh_ns: int) -> None:
        """Raises QueryError if QEMU refused the query."""
        conversation = query.conversation
        for command in ("qmp_capabilities", "query-blockstats"):
            if command in conversation.refused:
                raise QueryError(f"it refused {command}: {conversation.refused[command]}")
        if self._server not in (None, query.server):
            for latest in self.latest_stats:
                latest.restarted()
            self._sizes = {}
        self._server = query.server
        found: dict[str, DiskStats] = conversation.returned["query-blockstats"]
        for command in _SIZES.keys() & (conversation.returned.keys() | conversation.refused.keys()):
            sizes = conversation.returned.get(command, {})
            nodes = {node for disk in found.values() for node in (disk.image, disk.file)}
            self._sizes = {node: sizes[node] for node in nodes & sizes.keys()}
            self._sizes_due = time.monotonic() + SIZES_INTERVAL
        for latest, names in self._names.items():
            disk = next((found[name] for name in names if name in found), None)
            if disk is None:
                latest.failed(f"it has no disk {' or '.join(map(ascii, names))}")
            else:
                latest.put(time_ns, fresh_ns, **disk.with_sizes(self._sizes))
