"""Questions to xenstore, many at once: it answers one after the other, and what takes long is the way to it."""

import errno
import os
import select
import time
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Self

from vmiostat.discovery.xen.xenstore_message import DIRECTORY, DIRECTORY_PART, ERROR, READ, Message, Messages, words
from vmiostat.discovery.xen.xenstore_message import LONGEST as LONGEST_LIST
from vmiostat.discovery.xen.xenstore_socket import XenstoreSocket
from vmiostat.errors import SourceError

SILENCE, LONGEST = 1.0, 10.0
"""Seconds without any answer, and of the whole conversation, after which it has failed."""

_AT_ONCE = 32
Answer = bytes | int
"""What was read, or the errno that xenstore gave in its place."""


class Queries:
    """A conversation that only asks. Raises SourceError when it fails; it cannot be continued then."""

    def __init__(self, xenstore: XenstoreSocket, silence: float = SILENCE, longest: float = LONGEST) -> None:
        self._xenstore = xenstore
        self._silence = silence
        self._longest = longest
        self._ends = time.monotonic() + longest
        self._messages = Messages()
        self._asked = 0
        self.untold: list[str] = []
        """Folders whose list was too long to be told."""

    @property
    def path(self) -> str:
        """Where xenstore is asked, for messages."""
        return self._xenstore.path

    def values(self, paths: Iterable[str]) -> list[str | None]:
        """The value at each path; None where there is none, or none that we may see."""
        answers = self._ask([(READ, _path(path)) for path in paths])
        return [answer.decode(errors="backslashreplace") if isinstance(answer, bytes) else None for answer in answers]

    def names(self, paths: Iterable[str]) -> list[list[str]]:
        """The names in each folder; none in one that is not there, that we may not see, or that is `untold`."""
        paths = list(paths)
        answers = self._ask([(DIRECTORY, _path(path)) for path in paths])
        return [
            _names(self._in_parts(path) if answer == errno.E2BIG else answer)
            for path, answer in zip(paths, answers, strict=True)
        ]

    def may_see(self, path: str) -> bool:
        """Whether we may see what is in this folder."""
        return self._ask([(DIRECTORY, _path(path))])[0] not in (errno.EACCES, errno.EPERM)

    def close(self) -> None:
        self._xenstore.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _in_parts(self, path: str) -> Answer:
        """A folder's list from where each part ended, begun anew when the folder changed meanwhile."""
        generation, found = b"", b""
        while len(found) <= LONGEST_LIST:
            (part,) = self._ask([(DIRECTORY_PART, _path(path) + b"%d\0" % len(found))])
            if isinstance(part, int):
                break
            told, _, names = part.partition(b"\0")
            if found and told != generation:
                found = b""
                continue
            generation = told
            found += names
            # The list's end is a word of no bytes; a part without any would go on for ever.
            if not names or found == b"\0" or found.endswith(b"\0\0"):
                return found.removesuffix(b"\0")
        self.untold.append(path)
        return errno.E2BIG

    def _ask(self, questions: Sequence[tuple[int, bytes]]) -> list[Answer]:
        """The answers in the order of the questions."""
        first = self._asked
        self._asked += len(questions)
        answers: dict[int, Answer] = {}
        unsent = self._unsent(questions, first, answers)
        sending, full = b"", False
        silent_until = time.monotonic() + self._silence
        while len(answers) < len(questions):
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
        return [answers[number] for number in range(len(questions))]

    def _unsent(
        self, questions: Sequence[tuple[int, bytes]], first: int, answers: dict[int, Answer]
    ) -> Iterator[bytes]:
        """The next message to send, b"" while enough are out."""
        for number, (kind, payload) in enumerate(questions):
            while number - len(answers) >= _AT_ONCE:
                yield b""
            yield Message(kind, first + number, payload).packed()

    def _number(self, message: Message, first: int) -> int:
        if not first <= message.request < self._asked:
            raise self._failed(errno.EPROTO, "it answers what was not asked")
        return message.request - first

    def _wait(self, silent_until: float, *, full: bool) -> None:
        """Waits until there is something to read, or to write if it was `full`."""
        poll = select.poll()
        # The device never tells that it has room; it always has.
        poll.register(self._xenstore, select.POLLIN | (select.POLLOUT if full and not self._xenstore.device else 0))
        left = min(silent_until, self._ends) - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            if time.monotonic() >= self._ends:
                raise self._failed(errno.ETIMEDOUT, f"it has not told everything in {self._longest:g} s")
            raise self._failed(
                errno.ETIMEDOUT, f"it has not answered in {self._silence:g} s (has xenstored been stopped?)"
            )

    def _received(self) -> list[Message]:
        try:
            return list(self._messages.cut(self._xenstore.receive()))
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
    # It names an error as C does: ENOENT.
    name = message.payload.rstrip(b"\0").decode(errors="replace")
    number = getattr(errno, name, None) if name.startswith("E") else None
    return number if isinstance(number, int) else errno.EIO


def _names(answer: Answer) -> list[str]:
    return [] if isinstance(answer, int) else [os.fsdecode(word) for word in words(answer) if word]
