"""A fake xenstore daemon: the wire protocol over a socket, with the contents of `xenstore-ls -f`."""

import re
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

HEADER = struct.Struct("=IIII")
DIRECTORY, READ, WATCH, EVENT, ERROR, DIRECTORY_PART = 1, 2, 4, 15, 16, 22
LONGEST = 4096

_LINE = re.compile(r'(/\S*) = "(.*)"   \(.*\)')


def listed(path: Path) -> dict[str, str]:
    """The path and value on each line."""
    return {match[1]: match[2] for line in path.read_text().splitlines() if (match := _LINE.match(line))}


def message(kind: int, request: int, payload: bytes) -> bytes:
    return HEADER.pack(kind, request, 0, len(payload)) + payload


class FakeXenstored:
    """Serves `store`, which may change while it runs. `instead` may replace an answer."""

    def __init__(self, run: Path, store: dict[str, str]) -> None:
        self.store = store
        self.closed: set[str] = set()
        """Paths for which it answers EACCES."""
        self.has_parts = True
        self.long_messages = False
        """Whether it sends a list of any length in one message, like oxenstored."""
        self.generation = 1
        self.stopped = False
        """As if by SIGSTOP: the kernel accepts connections, but no query is answered."""
        self.instead: Callable[[int, int, bytes], Iterable[bytes]] | None = None
        """Returns the bytes to send for a message (its type, request and payload); None: the true answer."""
        self.queries = 0
        self.clients = 0
        self.watched: list[tuple[socket.socket, bytes]] = []
        folder = run / "xenstored"
        folder.mkdir(parents=True, exist_ok=True)
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(folder / "socket"))
        self._server.listen(1)
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        self._clients: list[socket.socket] = []

    def write_event(self, path: str) -> None:
        """Sends the event of a write at this path to all who watch it."""
        for client, watched in self.watched:
            if path.encode().startswith(watched):
                client.sendall(message(EVENT, 0, path.encode() + b"\0" + watched + b"\0"))

    def close(self) -> None:
        for end in (self._server, *self._clients):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            self.clients += 1
            self._clients.append(client)
            self._threads.append(threading.Thread(target=self._serve, args=(client,), daemon=True))
            self._threads[-1].start()

    def _serve(self, client: socket.socket) -> None:
        try:
            with client, client.makefile("rb") as received:
                while len(header := received.read(HEADER.size)) == HEADER.size:
                    kind, request, _, length = HEADER.unpack(header)
                    payload = received.read(length)
                    self.queries += 1
                    if self.stopped:
                        continue
                    if self.instead is not None:
                        parts = list(self.instead(kind, request, payload))
                    else:
                        parts = self.answers(client, kind, request, payload)
                    client.sendall(b"".join(parts))
        except OSError:
            pass

    def answers(self, client: socket.socket | None, kind: int, request: int, payload: bytes) -> list[bytes]:
        words = [word.decode() for word in payload.split(b"\0")[:-1]]
        if kind == WATCH and client is not None:
            self.watched.append((client, words[0].encode()))
            return [message(WATCH, request, b"OK\0"), message(EVENT, 0, payload)]
        answer = self._answer(kind, words)
        return [
            message(ERROR, request, answer.encode() + b"\0")
            if isinstance(answer, str)
            else message(kind, request, answer)
        ]

    def _answer(self, kind: int, words: list[str]) -> bytes | str:
        path = words[0]
        if path in self.closed:
            return "EACCES"
        names = self._names(path)
        if kind == READ:
            return self.store[path].encode() if path in self.store else "ENOENT"
        if names is None:
            return "ENOENT"
        children = b"".join(name.encode() + b"\0" for name in names)
        if kind == DIRECTORY:
            return children if len(children) <= LONGEST or self.long_messages else "E2BIG"
        if kind == DIRECTORY_PART and self.has_parts:
            head = b"%d\0" % self.generation
            rest = children[int(words[1]) :]
            room = LONGEST - len(head) - 1
            if len(rest) <= room:
                return head + rest + b"\0"
            return head + rest[: rest.rindex(b"\0", 0, room) + 1]
        return "ENOSYS"

    def _names(self, path: str) -> list[str] | None:
        below = path.rstrip("/") + "/"
        found = dict.fromkeys(
            other[len(below) :].split("/")[0] for other in list(self.store) if other.startswith(below)
        )
        return list(found) if found or path in self.store else None


@contextmanager
def running(root: Path, store: dict[str, str]) -> Iterator[FakeXenstored]:
    """A daemon for the machine below `root`."""
    daemon = FakeXenstored(root / "run", store)
    try:
        yield daemon
    finally:
        daemon.close()
