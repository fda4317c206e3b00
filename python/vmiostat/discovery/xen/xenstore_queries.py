"""Queries to xenstore, many in flight at once: it answers them one by one, but most of the time is the round trip."""

import errno
import os
import select
import time
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Self

from vmiostat.discovery.xen.xenstore_message import (
    DIRECTORY,
    DIRECTORY_PART,
    ERROR,
    MAX_PAYLOAD,
    READ,
    Message,
    Messages,
    words,
)
from vmiostat.discovery.xen.xenstore_socket import XenstoreSocket
from vmiostat.errors import SourceError

SILENCE, DURATION = 1.0, 10.0
"""Seconds without an answer, and for all queries together, after which they fail."""

_IN_FLIGHT = 32
Answer = bytes | int
"""What was read, or xenstore's errno."""


class Queries:
    """Reads from xenstore. Raises SourceError if that fails; after that it cannot be used any more."""

    def __init__(self, xenstore: XenstoreSocket, silence: float = SILENCE, duration: float = DURATION) -> None:
        self._xenstore = xenstore
        self._silence = silence
        self._duration = duration
        self._ends = time.monotonic() + duration
        self._messages = Messages()
        self._sent = 0
        self.too_long: list[str] = []
        """Folders whose list xenstore could not send."""

    @property
    def path(self) -> str:
        """Where xenstore is, for messages."""
        return self._xenstore.path

    def values(self, paths: Iterable[str]) -> list[str | None]:
        """The value at each path; None where there is none or reading it is not permitted."""
        answers = self._query([(READ, _path(path)) for path in paths])
        return [answer.decode(errors="surrogateescape") if isinstance(answer, bytes) else None for answer in answers]

    def names(self, paths: Iterable[str]) -> list[list[str]]:
        """The names in each folder; empty if there is none, reading it is not permitted, or it is `too_long`."""
        paths = list(paths)
        answers = self._query([(DIRECTORY, _path(path)) for path in paths])
        return [
            _names(self._in_parts(path) if answer == errno.E2BIG else answer)
            for path, answer in zip(paths, answers, strict=True)
        ]

    def may_read(self, path: str) -> bool:
        """Whether reading this folder is permitted."""
        return self._query([(DIRECTORY, _path(path))])[0] not in (errno.EACCES, errno.EPERM)

    def close(self) -> None:
        self._xenstore.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _in_parts(self, path: str) -> Answer:
        """A folder's list in parts, from the start again whenever the folder has changed."""
        generation, found = b"", b""
        while len(found) <= MAX_PAYLOAD:
            (part,) = self._query([(DIRECTORY_PART, _path(path) + b"%d\0" % len(found))])
            if isinstance(part, int):
                break
            current, _, names = part.partition(b"\0")
            if found and current != generation:
                found = b""
                continue
            generation = current
            found += names
            # An empty word ends the list; an empty part would never do so.
            if not names or found == b"\0" or found.endswith(b"\0\0"):
                return found.removesuffix(b"\0")
        self.too_long.append(path)
        return errno.E2BIG

    def _query(self, queries: Sequence[tuple[int, bytes]]) -> list[Answer]:
        """The answers in the order of the queries."""
        first = self._sent
        self._sent += len(queries)
        answers: dict[int, Answer] = {}
        unsent = self._unsent(queries, first, answers)
        sending, full = b"", False
        silent_until = time.monotonic() + self._silence
        while len(answers) < len(queries):
            try:
                full = False
                while sending or (sending := next(unsent, b"")):
                    sending = sending[self._xenstore.send(sending) :]
            except BlockingIOError:
                full = True
            except OSError as error:
                raise self._failed(error.errno, error.strerror) from error
            self._wait(silent_until, full=full)
            for message in self._received():
                if message.type in (READ, DIRECTORY, DIRECTORY_PART, ERROR):
                    answers[self._number(message, first)] = _answer(message)
                    silent_until = time.monotonic() + self._silence
        return [answers[number] for number in range(len(queries))]

    def _unsent(self, queries: Sequence[tuple[int, bytes]], first: int, answers: dict[int, Answer]) -> Iterator[bytes]:
        """The next message to send, b"" while enough are in flight."""
        for number, (kind, payload) in enumerate(queries):
            while number - len(answers) >= _IN_FLIGHT:
                yield b""
            yield Message(kind, first + number, payload).packed()

    def _number(self, message: Message, first: int) -> int:
        if not first <= message.request < self._sent:
            raise self._failed(errno.EPROTO, "it sent an answer without a query")
        return message.request - first

    def _wait(self, silent_until: float, *, full: bool) -> None:
        """Waits until there is something to read, or to write if it was `full`."""
        poll = select.poll()
        # The device never polls as writable; it always is.
        poll.register(self._xenstore, select.POLLIN | (select.POLLOUT if full and not self._xenstore.device else 0))
        left = min(silent_until, self._ends) - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            if time.monotonic() >= self._ends:
                raise self._failed(errno.ETIMEDOUT, f"it has not sent everything in {self._duration:g} s")
            raise self._failed(errno.ETIMEDOUT, f"it has not answered in {self._silence:g} s (is xenstored stopped?)")

    def _received(self) -> list[Message]:
        try:
            return list(self._messages.split(self._xenstore.receive()))
        except BlockingIOError:
            return []
        except OSError as error:
            raise self._failed(error.errno, error.strerror) from error
        except ValueError as error:
            raise self._failed(errno.EPROTO, str(error)) from error

    def _failed(self, number: int | None, why: str | None) -> SourceError:
        return SourceError(number, why, self._xenstore.path)


def _path(path: str) -> bytes:
    return os.fsencode(path) + b"\0"


def _answer(message: Message) -> Answer:
    if message.type != ERROR:
        return message.payload
    # The error's name in C: ENOENT.
    name = message.payload.rstrip(b"\0").decode(errors="replace")
    number = getattr(errno, name, None) if name.startswith("E") else None
    return number if isinstance(number, int) else errno.EIO


def _names(answer: Answer) -> list[str]:
    return [] if isinstance(answer, int) else [os.fsdecode(word) for word in words(answer) if word]
