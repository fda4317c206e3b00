"""Xen domains and backends that come, go or change: watches in xenstore."""

import errno
import os
import re

from vmiostat._core import Roots
from vmiostat.discovery.xen.xenstore_message import WATCH, WATCH_EVENT, Message, Messages, words
from vmiostat.discovery.xen.xenstore_socket import SOCKETS, daemon_socket

_WATCHED = (b"@introduceDomain", b"@releaseDomain", b"/local/domain/0/backend")
_MATTERS = re.compile(rb"@.*|/local/domain/0/backend(/(vbd3?|tap|qdisk|vif)(/.*)?)?", re.ASCII | re.DOTALL)
_MOST = 1000
"""Readings at once, so that a storm of changes does not keep its listener from ever looking."""


class XenstoreChanges:
    """Says when a domain was introduced or released, or something about dom0's disk and network backends was written.

    Only by the daemon's socket: a watch through the kernel's device would wait, and could not be killed, for a xenstore
    that does not answer. Where there is but the device, the kernel's own uevents tell of backends.
    """

    def __init__(self, roots: Roots) -> None:
        """Raises OSError."""
        xenstore = daemon_socket(roots)
        if xenstore is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), SOCKETS[0])
        self._xenstore = xenstore
        self._messages = Messages()
        try:
            for number, path in enumerate(_WATCHED):
                # A socket's buffer has room for these. The path is the token, too; each watch is answered by an event.
                self._xenstore.send(Message(WATCH, number, path + b"\0" + path + b"\0").packed())
        except OSError:
            self.close()
            raise

    def fileno(self) -> int:
        return self._xenstore.fileno()

    def drain(self) -> bool:
        look = False
        for _ in range(_MOST):
            try:
                received = self._xenstore.receive()
            except BlockingIOError:
                break
            try:
                look |= any(_matters(message) for message in [*self._messages.cut(received)])
            except ValueError as error:
                raise OSError(errno.EPROTO, str(error)) from error
        return look

    def close(self) -> None:
        self._xenstore.close()


def _matters(message: Message) -> bool:
    """An event is the path that changed, and the token."""
    path = words(message.payload)[:1]
    return message.type == WATCH_EVENT and bool(path) and _MATTERS.fullmatch(path[0]) is not None
