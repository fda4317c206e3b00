"""Connects to a QMP socket, and checks that the process behind it is the expected QEMU.

The path comes from a command line, so it proves nothing and may be on storage that hangs: the kernel says which sockets
QEMU itself listens on, and a helper process walks the path.
"""

import errno
import os
import socket
import struct
import time
from collections.abc import Collection
from typing import NamedTuple

from vmiostat._core import Roots
from vmiostat.discovery.limits import OPEN_FILES
from vmiostat.discovery.running_process import running_process
from vmiostat.errors import SourceError
from vmiostat.model import Process
from vmiostat.qemu_stats.client import QueryError
from vmiostat.system.descriptors import open_paths
from vmiostat.system.netns import NetworkNamespaces
from vmiostat.system.probe.pool import PROBE

_CREDENTIALS = struct.Struct("3i")


class Connection(NamedTuple):
    """A connected non-blocking socket."""

    socket: socket.socket
    server: int
    """The process that listens; 0 if it is not visible in this process's PID namespace."""
    cpu_time: float
    """Seconds of this thread's CPU time that connecting took."""


class QmpSocket:
    """The socket at `path`, as QEMU's command line has it.

    `qemu` is the expected process, which runs as the user `owner`; if it is None, any is accepted. Once that process
    has ended, no other one is believed: its next run is another process, which the next scan finds.
    """

    def __init__(self, path: str, qemu: Process | None, owner: int | None, roots: Roots) -> None:
        self._path, self._qemu, self._owner, self._roots = path, qemu, owner, roots
        self._listening: dict[int, tuple[str, int]] = {}
        """QEMU's listening sockets by descriptor: the link of the descriptor, and the inode of the file. The file
        lasts as long as the socket, so while QEMU has that open, the inode is no other file's.
        """

    def connect(self) -> Connection:
        """Raises QueryError."""
        cpu_time = time.thread_time()
        try:
            connection = self._connect()
        except OSError as error:
            raise QueryError(_reason(error)) from error
        try:
            peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            server, user, _ = _CREDENTIALS.unpack(peer)
            # It is root's if QEMU gave up its rights after it listened.
            if self._owner is not None and user not in (self._owner, 0):
                raise QueryError(f"user {user} listens on the socket instead of user {self._owner}, whom QEMU runs as")
            self._check_server(server)
        except BaseException:
            connection.close()
            raise
        return Connection(connection, server, time.thread_time() - cpu_time)

    def _connect(self) -> socket.socket:
        qemu, roots, path = self._qemu, self._roots, self._path
        if qemu is None or roots.captured or not _same_pid_namespace(roots):
            return self._connect_below(path, roots.shown("/"), None)
        self._check_running(qemu)
        # QEMU may see other mounts than this process does, for example in a container.
        root, cwd = f"/proc/{qemu.pid}/root", f"/proc/{qemu.pid}/cwd"
        if path.startswith(f"{cwd}/"):
            root, path = cwd, path.removeprefix(cwd)
        files = self._files(qemu)
        try:
            try:
                return self._connect_below(path, roots.shown(root), files)
            except SourceError as error:
                # Its root may not be entered, or has changed since it opened the socket.
                if error.errno not in (errno.ENOENT, errno.EACCES, errno.EPERM):
                    raise
                return self._connect_below(path, roots.shown("/"), files)
        except SourceError as error:
            if error.errno == errno.ESTALE:
                self._listening = {}
                wrong = (
                    f"this QEMU (process {qemu.pid}) does not listen on the socket at its path: another process does"
                )
                raise QueryError(wrong) from error
            raise

    def _connect_below(self, path: str, root: str, inodes: Collection[int] | None) -> socket.socket:
        """The path's links stay below the root."""
        key = ("socket", root, path)
        wanted = None if inodes is None else list(inodes)
        _, connection = PROBE.call(
            "connect", path, root, wanted, key=key, path=self._roots.shown(path), user=self._owner
        )
        assert connection is not None
        return connection

    def _files(self, qemu: Process) -> list[int] | None:
        """The inodes of the files whose sockets QEMU itself listens on; None where that may not be known.

        All sockets of its network namespace are listed once, since any user may make many there.
        """
        try:
            if not self._listening or not self._are_open(qemu):
                paths = open_paths(qemu.pid, self._roots, OPEN_FILES)
                sockets = {link: number for number, link in paths.items() if link.startswith("socket:")}
                namespace = NetworkNamespaces(self._roots).of(qemu.pid)
                listeners = {f"socket:[{inode}]": file for inode, file in self._roots.unix_listeners(namespace)}
                self._listening = {sockets[link]: (link, listeners[link]) for link in sockets.keys() & listeners.keys()}
        except SourceError as error:
            if error.errno in (errno.EACCES, errno.EPERM):  # an ordinary user can be tricked into no more than its own
                return None
            raise
        return [file for _, file in self._listening.values()]

    def _are_open(self, qemu: Process) -> bool:
        """Whether QEMU still has all its listening sockets open. Raises SourceError."""
        folder = self._roots.open_folder(f"/proc/{qemu.pid}/fd")
        try:
            return all(os.readlink(str(number), dir_fd=folder) == link for number, (link, _) in self._listening.items())
        except OSError:
            return False
        finally:
            os.close(folder)

    def _check_running(self, qemu: Process) -> None:
        if running_process(qemu.pid, self._roots) != qemu:
            raise QueryError(f"its QEMU (process {qemu.pid}) has ended")

    def _check_server(self, server: int) -> None:
        """Raises QueryError if the server is another process than the expected QEMU, or may be."""
        qemu = self._qemu
        if qemu is None or not _same_pid_namespace(self._roots):
            return
        if server not in (0, qemu.pid):
            raise QueryError(f"process {server} listens on the socket instead of this QEMU (process {qemu.pid})")
        self._check_running(qemu)


def _same_pid_namespace(roots: Roots) -> bool:
    """Whether this /proc is of our own PID namespace: only then are its PIDs those of SO_PEERCRED."""
    try:
        return roots.real("/proc/self") == f"/proc/{os.getpid()}"
    except SourceError:
        return False


def _reason(error: OSError) -> str:
    match error.errno:
        case errno.EAGAIN:
            return "too many other clients are waiting: it serves one at a time"
        case errno.ECONNREFUSED:
            return "no process listens on the socket (any more)"
        case errno.EACCES | errno.EPERM:
            return "permission denied: connect as root, or as the user that QEMU runs as"
        case _:
            return f"cannot connect: {error.strerror or error}"
