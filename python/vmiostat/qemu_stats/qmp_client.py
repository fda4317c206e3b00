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
from typing import NamedTuple

from vmiostat import _core
from vmiostat._core import LatestStats, Roots
from vmiostat.counter_sources import BlockDevice
from vmiostat.errors import SourceError
from vmiostat.model import Process
from vmiostat.qemu_stats.client import InFlightLimit, QueryError
from vmiostat.qemu_stats.pending_call import PendingCall
from vmiostat.qemu_stats.qmp_block_stats import (
    Counters,
    DiskStats,
    files_by_node,
    sizes_by_node,
    stats_by_name,
    stats_of_devices,
)
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

_FIELDS = tuple(field.name for field in _core.BLOCK_FIELDS if field.kind != "row")


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


class _KernelStats:
    """The kernel's counters of a disk that its QEMU does not know. The files are opened when they are first needed."""

    def __init__(self, device: BlockDevice, roots: Roots) -> None:
        self._device, self._roots = device, roots
        self._poller: _core.Poller | None = None

    def counters(self) -> dict[str, int] | None:
        """By field; None if the device is gone or cannot be read."""
        if self._poller is None:
            self._poller = _core.Poller(self._roots, [("", "", self._device)], [], pinned=True)
        row = self._poller.poll().block[0]
        if row.state != "ok":
            return None
        return {name: number for name in _FIELDS if (number := getattr(row, name)) >= 0}


class _Answer(NamedTuple):
    by_name: dict[str, DiskStats]
    of_devices: list[DiskStats]
    """All disks, if some are wanted by the path that they open."""


class _Nodes(NamedTuple):
    sizes: dict[str, Counters]
    files: dict[str, str]


class QmpClient:
    """Queries one QEMU over its socket at `path`. `names` has the names by which QEMU may know each disk.

    A name that is a path is what a node of the disk opens. `kernel` has the devices whose own counters are taken if
    QEMU does not know the disk. Only answers from the process `qemu` count. If it is None, whoever listens on the
    socket is accepted.
    """

    in_flight_limit = IN_FLIGHT_LIMIT

    def __init__(
        self,
        path: str,
        roots: Roots,
        names: Mapping[LatestStats, Sequence[str]],
        qemu: Process | None = None,
        kernel: Mapping[LatestStats, BlockDevice] | None = None,
    ) -> None:
        self.latest_stats = tuple(names)
        self.user = None if qemu is None else user(qemu.pid, roots)
        self._socket = QmpSocket(path, qemu, self.user, roots)
        self._calls = DetachedCalls(1, "vmiostat-qmp")
        self._names = names
        self._wanted = frozenset(name for some in names.values() for name in some)
        self._paths = frozenset(name for name in self._wanted if name.startswith("/"))
        self._opened: dict[str, frozenset[str]] = {}
        """The nodes that open a wanted path."""
        self._kernel = {latest: _KernelStats(device, roots) for latest, device in (kernel or {}).items()}
        self._from_kernel: dict[LatestStats, bool] = {}
        self._roots = roots
        self._sizes: dict[str, Counters] = {}
        self._sizes_due = -SIZES_INTERVAL
        self._server: int | None = None

    def query(self) -> QmpQuery:
        """Starts to connect. Raises QueryError, and OSError."""
        sizes = _SIZES if time.monotonic() >= self._sizes_due else {}
        connecting = PendingCall(partial(self._calls.start, "connect", self._socket.connect))
        convert = {"query-blockstats": self._stats, **dict.fromkeys(_SIZES, self._nodes)}
        return QmpQuery(connecting, Conversation({"query-blockstats": {}, **sizes}, convert))

    def _stats(self, returned: object) -> _Answer:
        return _Answer(stats_by_name(returned, self._wanted), stats_of_devices(returned) if self._paths else [])

    def _nodes(self, returned: object) -> _Nodes:
        return _Nodes(sizes_by_node(returned), files_by_node(returned) if self._paths else {})

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
        answer: _Answer = conversation.returned["query-blockstats"]
        for command in _SIZES.keys() & (conversation.returned.keys() | conversation.refused.keys()):
            nodes: _Nodes = conversation.returned.get(command, _Nodes({}, {}))
            kept = {node for disk in (*answer.by_name.values(), *answer.of_devices) for node in (disk.image, disk.file)}
            self._sizes = {node: nodes.sizes[node] for node in kept & nodes.sizes.keys()}
            self._opened = self._nodes_that_open(nodes.files)
            self._sizes_due = time.monotonic() + SIZES_INTERVAL
        for latest, names in self._names.items():
            disk = next((answer.by_name[name] for name in names if name in answer.by_name), None)
            if disk is None:
                disk = next(filter(None, (self._by_path(name, answer.of_devices) for name in names)), None)
            if disk is not None:
                self._put(latest, disk.with_sizes(self._sizes), time_ns, fresh_ns, from_kernel=False)
            elif latest in self._kernel and (counters := self._kernel[latest].counters()) is not None:
                self._put(latest, counters, time.monotonic_ns(), fresh_ns, from_kernel=True)
            else:
                latest.failed(f"it has no disk {' or '.join(map(ascii, names))}")

    def _put(self, latest: LatestStats, counters: Counters, time_ns: int, fresh_ns: int, *, from_kernel: bool) -> None:
        """The kernel and QEMU have counted since different times: a change is another generation."""
        if self._from_kernel.setdefault(latest, from_kernel) != from_kernel:
            latest.restarted()
            self._from_kernel[latest] = from_kernel
        latest.put(time_ns, fresh_ns, **counters)

    def _nodes_that_open(self, files: Mapping[str, str]) -> dict[str, frozenset[str]]:
        numbers = {path: self._number(path) for path in {*self._paths, *files.values()}}

        def is_same(path: str, other: str) -> bool:
            return path == other or (numbers[path] is not None and numbers[path] == numbers[other])

        return {path: frozenset(node for node, file in files.items() if is_same(path, file)) for path in self._paths}

    def _number(self, path: str) -> tuple[int, int] | None:
        """Of the device at this path. Only /dev is searched, where nothing can hang."""
        if not path.startswith("/dev/"):
            return None
        try:
            return self._roots.device_number(path)
        except SourceError:
            return None

    def _by_path(self, name: str, disks: Sequence[DiskStats]) -> DiskStats | None:
        """The one disk whose image or file opens this path."""
        nodes = self._opened.get(name, frozenset())
        found = [disk for disk in disks if disk.image in nodes or disk.file in nodes]
        return found[0] if len(found) == 1 else None
