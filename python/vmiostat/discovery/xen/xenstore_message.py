"""A message to or from xenstore: a header of four numbers and a payload (xen/include/public/io/xs_wire.h)."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

DIRECTORY, READ, WATCH = 1, 2, 4
WATCH_EVENT, ERROR = 15, 16
DIRECTORY_PART = 22
"""Part of a folder's list that is longer than a message. Since Xen 4.9; not in oxenstored 4.17."""

MAX_PAYLOAD = 1 << 20
"""Bytes. The protocol says 4096, but over its socket oxenstored sends a folder's list as a whole. A list of 32,752
domains, the maximum, takes less than a fifth of this."""

_HEADER = struct.Struct("=IIII")  # type, request, transaction, bytes that follow
_NO_TRANSACTION = 0


class Message(NamedTuple):
    """Its type, the request that it belongs to, and the bytes after the header."""

    type: int
    request: int
    payload: bytes

    def packed(self) -> bytes:
        return _HEADER.pack(self.type, self.request, _NO_TRANSACTION, len(self.payload)) + self.payload


class Messages:
    """Splits received bytes into messages."""

    def __init__(self) -> None:
        self._received = b""

    def split(self, received: bytes) -> Iterator[Message]:
        """The messages that are complete. Raises ValueError for one that no xenstore sends."""
        self._received += received
        while len(self._received) >= _HEADER.size:
            kind, request, _, length = _HEADER.unpack_from(self._received)
            if length > MAX_PAYLOAD:
                raise ValueError(f"it announced a message of {length} bytes; the limit is {MAX_PAYLOAD}")
            end = _HEADER.size + length
            if len(self._received) < end:
                return
            payload, self._received = self._received[_HEADER.size : end], self._received[end:]
            yield Message(kind, request, payload)


def words(payload: bytes) -> list[bytes]:
    """The words of a list, each of which ends with a zero byte."""
    return payload.split(b"\0")[:-1]
