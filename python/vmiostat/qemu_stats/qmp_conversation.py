"""One conversation in QMP, QEMU's machine protocol: a greeting, commands, their answers. Bytes in, bytes out.

A guest may have taken over the QEMU: every line has a maximum length, and every value may be of any type.
https://www.qemu.org/docs/master/interop/qmp-spec.html
"""

import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from vmiostat.qemu_stats.client import BudgetError, QueryError

MAX_LENGTH = 4 << 20
"""Bytes of one conversation, events included."""

MAX_LINE_LENGTH = 1 << 20
"""Bytes of one message. A disk takes some 3 KB of query-blockstats, and as much again for each backing image. Parsing
a line of this length takes tens of milliseconds, during which no other Python thread runs.
"""

MAX_EVENTS = 100
"""Events and other messages that answer nothing, of one conversation. It lasts a millisecond, and QEMU limits events
that can be frequent to one a second.
"""

_LATE_LENGTH = 1 << 16
"""Bytes of a message that are kept while an answer is overdue: many may be."""

_MAX_QUOTED = 200
"""Characters quoted from QEMU in a message."""


class Conversation:
    """Sends the commands after QEMU's greeting, and collects what they return.

    >>> conversation = Conversation({"query-name": {}})
    >>> conversation.receive(b'{"QMP": {"version": {}, "capabilities": []}}\\r\\n')
    >>> conversation.outgoing.splitlines()[1]
    b'{"execute": "query-name", "arguments": {}, "id": 1}'
    >>> conversation.receive(b'{"return": {}, "id": 0}\\r\\n{"return": {"name": "vm1"}, "id": 1}\\r\\n')
    >>> conversation.done, conversation.returned
    (True, {'qmp_capabilities': {}, 'query-name': {'name': 'vm1'}})
    """

    def __init__(
        self, commands: Mapping[str, Mapping[str, object]], convert: Mapping[str, Callable[[Any], Any]] | None = None
    ) -> None:
        """`commands` are sent in this order, each with its arguments.

        `convert` has functions that reduce what a command returned to what is needed of it: a megabyte of JSON may be
        thirty of objects.
        """
        self._commands = {"qmp_capabilities": {}, **commands}
        self._convert = {"qmp_capabilities": lambda _: {}, **(convert or {})}
        self._unanswered = deque(enumerate(self._commands))
        self._greeted = False
        self._line = bytearray()
        self._received = 0
        self._events = 0
        self._line_limit = MAX_LINE_LENGTH
        self.outgoing = b""
        """What remains to be sent; the caller removes what it has sent."""
        self.returned: dict[str, Any] = {}
        """What each command returned, except those that QEMU refused."""
        self.refused: dict[str, str] = {}
        """Why QEMU refused a command."""

    @property
    def done(self) -> bool:
        """Whether every command has an answer."""
        return not self._unanswered

    def receive(self, data: bytes) -> None:
        """Takes bytes that QEMU sent. Raises QueryError if they are not QMP."""
        self._received += len(data)
        if self._received > MAX_LENGTH:
            raise BudgetError(f"it sent more than {MAX_LENGTH >> 20} MiB")
        self._check_line()
        self._line += data
        # Most chunks end in the middle of a line: only the new bytes need a search for its end.
        if b"\n" not in data:
            return
        *lines, rest = bytes(self._line).split(b"\n")
        self._line = bytearray(rest)
        for line in lines:
            if line.strip() and not self.done:
                self._message(line)

    def overdue(self) -> None:
        """The answer is late. Raises QueryError if too much of a message is waiting for its rest."""
        self._line_limit = _LATE_LENGTH
        self._check_line()

    def _check_line(self) -> None:
        if len(self._line) > self._line_limit:
            size = f"{self._line_limit >> 20} MiB" if self._line_limit >> 20 else f"{self._line_limit >> 10} KiB"
            raise BudgetError(f"it sent a line of more than {size}")

    def _message(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            raise QueryError(f"it sent invalid JSON: {_quoted(line)}") from None
        if not isinstance(message, dict):
            raise QueryError(f"it sent something other than QMP: {_quoted(line)}")
        if "event" in message:
            self._count_event()
            return
        if not self._greeted:
            if "QMP" not in message:
                raise QueryError(f"it did not send a QMP greeting, but {_quoted(line)}")
            self._greeted = True
            # All at once: QEMU accepts up to 8 commands at a time, and answers them in order.
            commands = (
                {"execute": command, "arguments": arguments, "id": number}
                for number, (command, arguments) in enumerate(self._commands.items())
            )
            self.outgoing = b"".join(json.dumps(command).encode() + b"\n" for command in commands)
        elif message.get("id") == self._unanswered[0][0] and not isinstance(message["id"], bool):
            self._answer(message)
        else:
            self._count_event()

    def _count_event(self) -> None:
        self._events += 1
        if self._events > MAX_EVENTS:
            raise BudgetError(f"it sent more than {MAX_EVENTS} events during a query")

    def _answer(self, message: dict[str, Any]) -> None:
        _, command = self._unanswered.popleft()
        if "return" in message:
            returned, convert = message["return"], self._convert.get(command)
            self.returned[command] = returned if convert is None else convert(returned)
        else:
            error = message.get("error")
            reason = error.get("desc") if isinstance(error, dict) else None
            self.refused[command] = _quoted(str(reason).encode(errors="replace"))


def _quoted(line: bytes) -> str:
    """Safe to print: the guest may have chosen parts of it."""
    text = line.strip()[:_MAX_QUOTED].decode(errors="replace")
    return ascii(text) if len(line) <= _MAX_QUOTED else f"{text!a}..."
