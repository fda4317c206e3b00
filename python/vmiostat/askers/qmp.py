"""Asks a QEMU by QMP, over a socket that it listens at: one short connection a question, and no word that waits.

QEMU serves one client of a socket at a time, and lets two wait. So a connection is closed as soon as it is answered;
one that is not greeted, since somebody else holds the socket or QEMU is stuck, is the only one of ours that waits.
"""

import errno
import os
import selectors
import socket
import stat
import struct
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from vmiostat._core import Report, Roots
from vmiostat.askers.qemu_answers import Counters, counters_by_name, sizes_by_node
from vmiostat.askers.qmp_conversation import Conversation
from vmiostat.askers.question import AskError
from vmiostat.askers.slots import Slots
from vmiostat.errors import SourceError

SIZES_EVERY = 60.0
"""Seconds between two questions for the sizes of images: QEMU looks at their files, and may wait for the storage."""

_SIZES = {"query-named-block-nodes": {"flat": True}}
"""Since QEMU 5.0; without `flat`, each image is told with all that lie behind it, and these with all behind them."""

_CHUNK = 1 << 16
_CREDENTIALS = struct.Struct("3i")


class QmpQuestion:
    """One connection: greeting, questions, answers."""

    def __init__(self, path: str, roots: Roots, commands: Mapping[str, Mapping[str, object]]) -> None:
        self.talk = Conversation(commands)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            _connect(self._socket, path, roots)
        except BaseException:
            self._socket.close()
            raise
        self.server = _CREDENTIALS.unpack(
            self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )[0]
        """The process that listens; 0 where this process's namespace cannot see it."""

    @property
    def events(self) -> int:
        """Reading, until there is something to say."""
        return selectors.EVENT_WRITE if self.talk.outgoing else selectors.EVENT_READ

    def fileno(self) -> int:
        return self._socket.fileno()

    def advance(self) -> bool:
        """Sends what is to be sent, or takes what has come. Raises AskError."""
        try:
            if self.talk.outgoing:
                self.talk.outgoing = self.talk.outgoing[self._socket.send(self.talk.outgoing) :]
                return False
            data = self._socket.recv(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            raise AskError(f"the connection broke: {error.strerror}") from error
        if not data:
            raise AskError("it closed the connection without an answer")
        self.talk.receive(data)
        return self.talk.done

    def close(self) -> None:
        self._socket.close()


class QmpAsker:
    """One QEMU's socket at `path`. `reports` are its disks', each with the names that QEMU may have for it."""

    def __init__(self, path: str, roots: Roots, reports: Mapping[Report, Sequence[str]], slots: Slots) -> None:
        self.reports = tuple(reports)
        self.slots = slots
        self._path = path
        self._roots = roots
        self._names = reports
        self._sizes: dict[str, Counters] = {}
        self._sizes_due = -SIZES_EVERY
        self._server: int | None = None

    def ask(self) -> QmpQuestion:
        """Connects. Raises AskError."""
        sizes = _SIZES if time.monotonic() >= self._sizes_due else {}
        return QmpQuestion(self._path, self._roots, {"query-blockstats": {}, **sizes})

    def take(self, question: QmpQuestion, time_ns: int, fresh_ns: int) -> None:
        """Each disk's counters to its report. Raises AskError where there are no counters at all."""
        talk = question.talk
        for command in ("qmp_capabilities", "query-blockstats"):
            if command in talk.refused:
                raise AskError(f"it refused {command}: {talk.refused[command]}")
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


def _connect(connection: socket.socket, path: str, roots: Roots) -> None:
    """Connects below the roots, through the folder's descriptor: a path may be longer than a socket's 107 bytes."""
    folder, name = _folder(path, roots)
    try:
        connection.connect(f"/proc/self/fd/{folder}/{name}")
    except OSError as error:
        raise AskError(_why_not_connected(error)) from error
    finally:
        os.close(folder)


def _folder(path: str, roots: Roots) -> tuple[int, str]:
    """A descriptor of the folder, and the socket's name in it. A link of that name would not stay below the roots."""
    try:
        folder, name = os.path.split(path)
        descriptor = roots.open(folder)
        with suppress(OSError):
            if stat.S_ISLNK(os.lstat(name, dir_fd=descriptor).st_mode):
                os.close(descriptor)
                folder, name = os.path.split(roots.real(path))
                descriptor = roots.open(folder)
    except SourceError as error:
        raise AskError(f"there is no such socket: {error.strerror}") from error
    return descriptor, name


def _why_not_connected(error: OSError) -> str:
    match error.errno:
        case errno.EAGAIN:
            return "too many others wait to be let in: it serves one client at a time"
        case errno.ECONNREFUSED:
            return "nobody listens there (any more)"
        case errno.EACCES | errno.EPERM:
            return "this user may not connect to it (it takes the user that QEMU runs as, or root)"
        case _:
            return f"it cannot be connected to: {error.strerror}"
