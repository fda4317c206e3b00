"""Connects to a QEMU's QMP socket, and makes sure that it is this QEMU who listens there.

All of this may wait: the socket's path is what a command line says, and may lie on storage that does not answer.
"""

import errno
import os
import socket
import stat
import struct
from contextlib import suppress
from typing import NamedTuple

from vmiostat._core import Roots
from vmiostat.discovery.vmm.command_line import CommandLine
from vmiostat.discovery.vmm.qemu.command_line import command_line
from vmiostat.errors import SourceError
from vmiostat.model import Process
from vmiostat.qemu_stats.client import QueryError
from vmiostat.system.processes import command_line as command_line_of
from vmiostat.system.processes import process

_CREDENTIALS = struct.Struct("3i")


class Connection(NamedTuple):
    """Open, and without waiting to read and to write."""

    socket: socket.socket
    server: int
    """The process that listens; 0 where this process's namespace cannot see it."""


def connected(path: str, qemu: Process | None, told: CommandLine | None, roots: Roots) -> Connection:
    """Connects to the socket at `path` as that QEMU's command line gives it. Raises QueryError, and OSError.

    `qemu` is None where it is not known, and then whoever listens is believed. `told` is what its command line told of
    its machine.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        _connect(connection, path, qemu, roots)
        peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        server = _CREDENTIALS.unpack(peer)[0]
        _refuse_another(server, qemu, told, roots)
    except BaseException:
        connection.close()
        raise
    return Connection(connection, server)


def _connect(connection: socket.socket, path: str, qemu: Process | None, roots: Roots) -> None:
    try:
        found = _found(path, qemu, roots)
        try:
            # By its descriptor: a path, and also a name, may be longer than an address has room for.
            connection.connect(f"/proc/self/fd/{found}")
        finally:
            os.close(found)
    except OSError as error:
        raise QueryError(_why_not_connected(error)) from error


def _found(path: str, qemu: Process | None, roots: Roots) -> int:
    """A descriptor of the socket. QEMU may have mounted other file systems than we see, a container's."""
    if qemu is not None and not roots.captured:
        # Where that may not be looked at, or QEMU has changed its root since, the path is taken as ours.
        with suppress(OSError):
            return _open(path, Roots(roots.shown(f"/proc/{qemu.pid}/root")))
    return _open(path, roots)


def _open(path: str, roots: Roots) -> int:
    folder, name = os.path.split(path)
    within = roots.open(folder)
    try:
        if stat.S_ISLNK(os.lstat(name, dir_fd=within).st_mode):  # the kernel would not keep it below the roots
            return _open(roots.real(path), roots)
        return os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=within)
    finally:
        os.close(within)


def _refuse_another(server: int, qemu: Process | None, told: CommandLine | None, roots: Roots) -> None:
    """Raises QueryError where somebody else listens while the QEMU runs. After it has ended, it is its next run, unless
    that is seen to run another machine.
    """
    if qemu is None or server in (0, qemu.pid) or not _numbered_as_here(roots):
        return
    if process(qemu.pid, roots) == qemu:
        raise QueryError(f"process {server} listens there, and not this QEMU (process {qemu.pid})")
    with suppress(SourceError):  # its command line may be kept from us
        two = _told_apart(told, command_line(command_line_of(server, roots)))
        if two is not None:
            raise QueryError(f"process {server} listens there, which runs {two[1]!a} and not {two[0]!a}")


def _told_apart(one: CommandLine | None, other: CommandLine | None) -> tuple[str, str] | None:
    """By what two machines are seen to be two; None where they may be one, which may get another name, but no UUID."""
    if one is None or other is None:
        return None
    for ours, theirs in ((one.uuid, other.uuid), (one.name, other.name)):
        if ours is not None and theirs is not None:
            return None if ours == theirs else (ours, theirs)
    return None


def _numbered_as_here(roots: Roots) -> bool:
    """Whether its /proc is of our own PID namespace, and so has the numbers that the kernel tells us."""
    try:
        return roots.real("/proc/self") == f"/proc/{os.getpid()}"
    except SourceError:
        return False


def _why_not_connected(error: OSError) -> str:
    match error.errno:
        case errno.EAGAIN:
            return "too many others wait to be let in: it serves one client at a time"
        case errno.ECONNREFUSED:
            return "nobody listens there (any more)"
        case errno.EACCES | errno.EPERM:
            return "this user may not connect to it (it takes the user that QEMU runs as, or root)"
        case _:
            return f"it cannot be connected to: {error.strerror or error}"
