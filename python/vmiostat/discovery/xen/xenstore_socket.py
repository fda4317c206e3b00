"""Connects to xenstore without a Xen library: to its daemon's socket, or else the kernel's /dev/xen/xenbus.

Connecting, writing and reading never block, so a daemon that does not answer delays nothing here.
"""

import errno
import os
import re
import socket

from vmiostat._core import Roots
from vmiostat.errors import SourceError

SOCKETS = ("/run/xenstored/socket", "/var/run/xenstored/socket")
DEVICE = "/dev/xen/xenbus"
"""In dom0 it leads to a xenstore in a domain of its own. Every other domain has it, too."""

_NONBLOCKING_SINCE = (4, 11)
"""The Linux version since which the device only queues a write. In older ones, write() sleeps uninterruptibly until
xenstore has answered."""


class XenstoreSocket:
    """Sends bytes to xenstore and receives bytes from it."""

    def __init__(self, descriptor: int, path: str, *, device: bool = False) -> None:
        self._descriptor = descriptor
        self.path = path
        """Where it is, for messages."""
        self.device = device
        """Whether it is the kernel's device, which takes one message per write and never polls as writable."""

    def fileno(self) -> int:
        return self._descriptor

    def send(self, data: bytes) -> int:
        """The number of bytes sent. Raises BlockingIOError or another OSError."""
        return os.write(self._descriptor, data)

    def receive(self) -> bytes:
        """Some bytes. Raises BlockingIOError, or another OSError if the connection is closed."""
        data = os.read(self._descriptor, 1 << 16)
        if not data:
            raise ConnectionResetError(errno.ECONNRESET, "it has closed the connection")
        return data

    def close(self) -> None:
        os.close(self._descriptor)


def is_there(roots: Roots) -> bool:
    """Whether this machine has a daemon's socket. (The device exists in guests, too.)"""
    return _socket(roots) is not None


def daemon_socket(roots: Roots) -> XenstoreSocket | None:
    """Connects to the daemon; None where it has no socket. Raises SourceError."""
    path = _socket(roots)
    return None if path is None else _connected(path, roots)


def xenstore_socket(roots: Roots) -> XenstoreSocket | None:
    """Connects to the daemon, or opens the device; None where there is neither. Raises SourceError."""
    daemon = daemon_socket(roots)
    if daemon is not None:
        return daemon
    if roots.captured or _linux() < _NONBLOCKING_SINCE:
        return None
    shown = roots.shown(DEVICE)
    try:
        return XenstoreSocket(os.open(shown, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC), shown, device=True)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ENXIO):
            return None
        raise SourceError(error.errno, error.strerror, shown) from error


def _socket(roots: Roots) -> str | None:
    """The daemon's socket, None if there is none.

    If /var/run is a link to /run, as usual, it is ignored: `Roots` may have another folder in place of /run.
    """
    path, older = SOCKETS
    if roots.exists(path):
        return path
    try:
        return older if roots.exists(older) and roots.real(older) != path else None
    except OSError:  # it is gone
        return None


def _connected(path: str, roots: Roots) -> XenstoreSocket:
    shown = roots.shown(path)
    folder, _, name = path.rpartition("/")
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        # Through its folder: so a captured machine's symlinks stay inside it, and no path is too long for an address.
        opened = roots.open(folder)
        try:
            client.connect(f"/proc/self/fd/{opened}/{name}")
        finally:
            os.close(opened)
    except BlockingIOError:  # its backlog is full
        raise SourceError(errno.EAGAIN, "it does not accept connections (is xenstored stopped?)", shown) from None
    except OSError as error:
        raise SourceError(error.errno, error.strerror, shown) from error
    else:
        return XenstoreSocket(client.detach(), shown)
    finally:
        client.close()


def _linux() -> tuple[int, ...]:
    version = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return tuple(map(int, version.groups())) if version else ()
