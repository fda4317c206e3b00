"""A multicast group of netlink's: what the kernel tells everybody who listens."""

import errno
import socket
from abc import ABC, abstractmethod

_MOST = 1000
"""Messages that are taken at once, so that a storm of them does not keep its listener from ever looking."""
_LONGEST = 1 << 16


class NetlinkGroup(ABC):
    """Says when one of the group's messages matters. The socket belongs to the calling thread's network namespace."""

    def __init__(self, protocol: int, groups: int) -> None:
        kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        self._socket = socket.socket(socket.AF_NETLINK, kind, protocol)
        try:
            self._socket.bind((0, groups))
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        return self._socket.fileno()

    def drain(self) -> bool:
        look = False
        for _ in range(_MOST):
            try:
                message = self._socket.recv(_LONGEST)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self._lost()  # more came than the socket holds
                look = True
                continue
            look |= self._matters(message)
        return look

    def close(self) -> None:
        self._socket.close()

    @abstractmethod
    def _matters(self, message: bytes) -> bool: ...

    def _lost(self) -> None:  # noqa: B027
        """Messages were lost: what was remembered of earlier ones may be wrong."""
