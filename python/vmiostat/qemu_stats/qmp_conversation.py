"""The words of QMP, QEMU's machine protocol: one greeting, some commands, their answers. Bytes in, bytes out.

The peer is a QEMU that a guest may have taken over: every line is bounded, every value may be of any type.
https://www.qemu.org/docs/master/interop/qmp-spec.html
"""

import json
from collections import deque
from collections.abc import Mapping
from typing import Any

from vmiostat.qemu_stats.client import QueryError

LONGEST = 4 << 20
"""Bytes of one conversation, events included."""

LONGEST_LINE = 1 << 20
"""Bytes of one message. A disk takes some 3 KB of query-blockstats, and as much for each image behind it. To parse as
much takes tens of milliseconds, in which no other thread of Python runs: hence no more.
"""

_SHOWN = 200
"""Characters of QEMU's own words in a message."""


class Conversation:
    """Sends the commands once QEMU has greeted, and gathers what they return.

    >>> talk = Conversation({"query-name": {}})
    >>> talk.receive(b'{"QMP": {"version": {}, "capabilities": []}}\\r\\n')
    >>> talk.outgoing.splitlines()[1]
    b'{"execute": "query-name", "arguments": {}, "id": 1}'
    >>> talk.receive(b'{"return": {}, "id": 0}\\r\\n{"return": {"name": "vm1"}, "id": 1}\\r\\n')
    >>> talk.done, talk.returned
    (True, {'qmp_capabilities': {}, 'query-name': {'name': 'vm1'}})
    """

    def __init__(self, commands: Mapping[str, Mapping[str, object]]) -> None:
        """The commands in their order, each with its arguments."""
        self._commands = {"qmp_capabilities": {}, **commands}
        self._unanswered = deque(enumerate(self._commands))
        self._greeted = False
        self._line = bytearray()
        self._received = 0
        self.outgoing = b""
        """What is to be sent; the caller cuts off what was."""
        self.returned: dict[str, Any] = {}
        """What each command returned; one that QEMU refused is not there."""
        self.refused: dict[str, str] = {}
        """Why QEMU refused a command."""

    @property
    def done(self) -> bool:
        """Whether every command has an answer."""
        return not self._unanswered

    def receive(self, data: bytes) -> None:
        """Takes what QEMU sent. Raises QueryError when that is no QMP."""
        self._received += len(data)
        if self._received > LONGEST:
            raise QueryError(f"it sent more than {LONGEST >> 20} MiB")
        if len(self._line) > LONGEST_LINE:
            raise QueryError(f"it sent a line of more than {LONGEST_LINE >> 20} MiB")
        self._line += data
        # Most chunks end in the middle of a line, and only new bytes can end it.
        if b"\n" not in data:
            return
        *lines, rest = bytes(self._line).split(b"\n")
        self._line = bytearray(rest)
        for line in lines:
            if line.strip() and not self.done:
                self._message(line)

    def _message(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            raise QueryError(f"it sent what is no JSON: {_shown(line)}") from None
        if not isinstance(message, dict):
            raise QueryError(f"it sent what is no QMP: {_shown(line)}")
        if "event" in message:
            return
        if not self._greeted:
            if "QMP" not in message:
                raise QueryError(f"it did not greet as QMP does, but said {_shown(line)}")
            self._greeted = True
            # All at once: QEMU takes up to 8 commands at a time, and answers them in their order.
            commands = (
                {"execute": command, "arguments": arguments, "id": number}
                for number, (command, arguments) in enumerate(self._commands.items())
            )
            self.outgoing = b"".join(json.dumps(command).encode() + b"\n" for command in commands)
        elif message.get("id") == self._unanswered[0][0] and not isinstance(message["id"], bool):
            self._answer(message)

    def _answer(self, message: dict[str, Any]) -> None:
        _, command = self._unanswered.popleft()
        if "return" in message:
            self.returned[command] = message["return"]
        else:
            error = message.get("error")
            reason = error.get("desc") if isinstance(error, dict) else None
            self.refused[command] = _shown(str(reason).encode(errors="replace"))


def _shown(line: bytes) -> str:
    """QEMU's words, fit for a terminal: the guest may have chosen some of them."""
    text = line.strip()[:_SHOWN].decode(errors="replace")
    return ascii(text) if len(line) <= _SHOWN else f"{text!a}..."
