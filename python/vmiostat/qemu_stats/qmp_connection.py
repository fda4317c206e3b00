"""Connects to a QMP socket, and checks that the process behind it is the expected QEMU.

The path comes from a command line, so it proves nothing and may be on storage that hangs: the kernel says which sockets
QEMU itself listens on, and a helper process walks the path.
"""

import errno
import os
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from vmiostat._core import Roots
from vmiostat.discovery.running_process import running_process
from vmiostat.discovery.vmm.command_line import CommandLine
from vmiostat.discovery.vmm.qemu.command_line import command_line as parse_command_line
from vmiostat.errors import SourceError
from vmiostat.model import Process
from vmiostat.qemu_stats.client import QueryError
from vmiostat.system.descriptors import open_paths
from vmiostat.system.netns import NetworkNamespaces
from vmiostat.system.probe.pool import PROBE
from vmiostat.system.processes import command_line

_CREDENTIALS = struct.Struct("3i")


class Connection(NamedTuple):
    """A connected non-blocking socket."""

    socket: socket.socket
    server: int
    """The process that listens; 0 if it is not visible in this process's PID namespace."""


def connect(
    path: str, qemu: Process | None, machine: CommandLine | None, owner: int | None, roots: Roots
) -> Connection:
    """Connects to the socket at `path`, as QEMU's command line has it. Raises QueryError, and OSError.

    `qemu` is the expected process, which runs as the user `owner`; if it is None, any is accepted. `machine` is what
    QEMU's command line says of the virtual machine.
    """
    try:
        connection = _connect(path, qemu, owner, roots)
    except OSError as error:
        raise QueryError(_reason(error)) from error
    try:
        peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        server, user, _ = _CREDENTIALS.unpack(peer)
        if owner is not None and user not in (owner, 0):  # root's, if QEMU gave up its rights after it listened
            raise QueryError(f"user {user} listens on the socket instead of user {owner}, whom QEMU runs as")
        _check_server(server, qemu, machine, roots)
    except BaseException:
        connection.close()
        raise
    return Connection(connection, server)


def _connect(path: str, qemu: Process | None, owner: int | None, roots: Roots) -> socket.socket:
    if qemu is None or roots.captured or not _same_pid_namespace(roots):
        return _connect_below(roots, path, roots.shown("/"), None, owner)
    if running_process(qemu.pid, roots) != qemu:  # its next run: another process, which is checked afterwards
        return _connect_below(roots, path, roots.shown("/"), None, owner)
    # QEMU may see other mounts than this process does, for example in a container.
    root, cwd = f"/proc/{qemu.pid}/root", f"/proc/{qemu.pid}/cwd"
    if path.startswith(f"{cwd}/"):
        root, path = cwd, path.removeprefix(cwd)
    listening = _listening(qemu, roots)
    try:
        try:
            return _connect_below(roots, path, roots.shown(root), listening, owner)
        except SourceError as error:
            # Its root may not be entered, or has changed since it opened the socket.
            if error.errno not in (errno.ENOENT, errno.EACCES, errno.EPERM):
                raise
            return _connect_below(roots, path, roots.shown("/"), listening, owner)
    except SourceError as error:
        if error.errno == errno.ESTALE:
            wrong = f"this QEMU (process {qemu.pid}) does not listen on the socket at its path: another process does"
            raise QueryError(wrong) from error
        raise


def _connect_below(roots: Roots, path: str, root: str, inodes: Sequence[int] | None, user: int | None) -> socket.socket:
    """The path's links stay below the root."""
    key = ("socket", root, path)
    _, connection = PROBE.call("connect", path, root, inodes, key=key, path=roots.shown(path), user=user)
    assert connection is not None
    return connection


def _listening(qemu: Process, roots: Roots) -> list[int] | None:
    """The inodes of the files whose sockets QEMU itself listens on; None where that may not be known."""
    try:
        held = {path for path in open_paths(qemu.pid, roots).values() if path.startswith("socket:")}
        namespace = NetworkNamespaces(roots).of(qemu.pid)
        listeners = roots.unix_listeners(namespace)
    except SourceError as error:
        if error.errno in (errno.EACCES, errno.EPERM):  # an ordinary user can be tricked into no more than its own
            return None
        raise
    return [file for inode, file in listeners if f"socket:[{inode}]" in held]


def _check_server(server: int, qemu: Process | None, machine: CommandLine | None, roots: Roots) -> None:
    """Raises QueryError if the server is another process while the expected QEMU runs.

    Once that has ended, the server counts as its next run, unless its command line is that of another virtual machine.
    """
    if qemu is None or server in (0, qemu.pid) or not _same_pid_namespace(roots):
        return
    if running_process(qemu.pid, roots) == qemu:
        raise QueryError(f"process {server} listens on the socket instead of this QEMU (process {qemu.pid})")
    with suppress(SourceError):  # its command line may not be readable
        difference = _difference(machine, parse_command_line(command_line(server, roots)))
        if difference is not None:
            expected, found = difference
            raise QueryError(f"process {server} listens on the socket, but runs {found!a} instead of {expected!a}")


def _difference(one: CommandLine | None, other: CommandLine | None) -> tuple[str, str] | None:
    """The UUIDs or names that prove that these are two machines; None if they may be one. A machine may be renamed, but
    keeps its UUID.
    """
    if one is None or other is None:
        return None
    for ours, theirs in ((one.uuid, other.uuid), (one.name, other.name)):
        if ours is not None and theirs is not None:
            return None if ours == theirs else (ours, theirs)
    return None


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
