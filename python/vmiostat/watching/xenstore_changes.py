"""Events about Xen domains and backends: watches in xenstore."""

import errno
import os
import re

from vmiostat._core import Roots
from vmiostat.discovery.xen.xenstore_message import WATCH, WATCH_EVENT, Message, Messages, words
from vmiostat.discovery.xen.xenstore_socket import SOCKETS, daemon_socket

_WATCHED = (b"@introduceDomain", b"@releaseDomain", b"/local/domain/0/backend")
_MATTERS = re.compile(rb"@.*|/local/domain/0/backend(/(vbd3?|tap|qdisk|vif)(/.*)?)?", re.ASCII | re.DOTALL)
_MAX_READS = 1000
"""Reads in one `drain`, so that it also ends in a storm of changes."""


class XenstoreChanges:
    """Announces that a domain was introduced or released, or that dom0's disk or network backends changed.

    Works through the daemon's socket only: if xenstore does not answer, a watch through the kernel's device waits in an
    uninterruptible sleep. Without the socket, uevents still announce changes of backends.
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
                # These fit into the socket's buffer. The path is also the token; each new watch fires at once.
                self._xenstore.send(Message(WATCH, number, path + b"\0" + path + b"\0").packed())
        except OSError:
            self.close()
            raise

    def fileno(self) -> int:
        return self._xenstore.fileno()

    def drain(self) -> bool:
        changed = False
        for _ in range(_MAX_READS):
            try:
                received = self._xenstore.receive()
            except BlockingIOError:
                break
            try:
                changed |= any(_matters(message) for message in [*self._messages.split(received)])
            except ValueError as error:
                raise OSError(errno.EPROTO, str(error)) from error
        return changed

    def close(self) -> None:
        self._xenstore.close()


def _matters(message: Message) -> bool:
    """The payload of an event is the changed path and the token."""
    path = words(message.payload)[:1]
    return message.type == WATCH_EVENT and bool(path) and _MATTERS.fullmatch(path[0]) is not None
