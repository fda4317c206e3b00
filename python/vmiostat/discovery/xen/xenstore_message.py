"""A message of xenstore's: a header of four numbers, and what they announce (xen/include/public/io/xs_wire.h)."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

DIRECTORY, READ, WATCH = 1, 2, 4
WATCH_EVENT, ERROR = 15, 16
DIRECTORY_PART = 22
"""A folder's list in pieces, for one that is longer than a message. Since Xen 4.9; oxenstored 4.17 cannot."""

LONGEST = 1 << 20
"""Bytes after the header. The protocol says 4096, but oxenstored sends a folder's list whole by its socket. That of
32,752 domains, the most that there can be, takes less than a fifth of this."""

_HEADER = struct.Struct("=IIII")  # type, request, transaction, bytes that follow
_NO_TRANSACTION = 0


class Message(NamedTuple):
    """What was said, in answer to which request, and the bytes after the header."""

    type: int
    request: int
    payload: bytes

    def packed(self) -> bytes:
        return _HEADER.pack(self.type, self.request, _NO_TRANSACTION, len(self.payload)) + self.payload


class Messages:
    """Cuts what a descriptor gives into messages."""

    def __init__(self) -> None:
        self._received = b""

    def cut(self, received: bytes) -> Iterator[Message]:
        """The messages that are whole by now. Raises ValueError for one that no xenstore sends."""
        self._received += received
        while len(self._received) >= _HEADER.size:
            kind, request, _, length = _HEADER.unpack_from(self._received)
            if length > LONGEST:
                raise ValueError(f"a message of {length} bytes was announced, of at most {LONGEST}")
            end = _HEADER.size + length
            if len(self._received) < end:
                return
            payload, self._received = self._received[_HEADER.size : end], self._received[end:]
            yield Message(kind, request, payload)


def words(payload: bytes) -> list[bytes]:
    """A list as xenstore sends it: each word with a zero byte at its end."""
    return payload.split(b"\0")[:-1]
