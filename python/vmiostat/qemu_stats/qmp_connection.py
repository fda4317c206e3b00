"""Connects to a QMP socket, and checks that the process behind it is the expected QEMU.

Any of this may block: the path comes from a command line, and may be on storage that does not answer.
"""

import errno
import os
import socket
import stat
import struct
from contextlib import suppress
from typing import NamedTuple

from vmiostat._core import Roots
from vmiostat.discovery.running_process import running_process
from vmiostat.discovery.vmm.command_line import CommandLine
from vmiostat.discovery.vmm.qemu.command_line import command_line as parse_command_line
from vmiostat.errors import SourceError
from vmiostat.model import Process
from vmiostat.qemu_stats.client import QueryError
from vmiostat.system.processes import command_line

_CREDENTIALS = struct.Struct("3i")


class Connection(NamedTuple):
    """A connected non-blocking socket."""

    socket: socket.socket
    server: int
    """The process that listens; 0 if it is not visible in this process's PID namespace."""


def connect(path: str, qemu: Process | None, machine: CommandLine | None, roots: Roots) -> Connection:
    """Connects to the socket at `path`, as QEMU's command line has it. Raises QueryError, and OSError.

    `qemu` is the expected process; if it is None, any is accepted. `machine` is what QEMU's command line says of the
    virtual machine.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        _connect(connection, path, qemu, roots)
        peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        server = _CREDENTIALS.unpack(peer)[0]
        _check_server(server, qemu, machine, roots)
    except BaseException:
        connection.close()
        raise
    return Connection(connection, server)


def _connect(connection: socket.socket, path: str, qemu: Process | None, roots: Roots) -> None:
    try:
        descriptor = _open_socket(path, qemu, roots)
        try:
            # Through the descriptor, because the path, or even its last part, may be too long for an address.
            connection.connect(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)
    except OSError as error:
        raise QueryError(_reason(error)) from error


def _open_socket(path: str, qemu: Process | None, roots: Roots) -> int:
    """QEMU may see other mounts than this process does, for example in a container."""
    if qemu is not None and not roots.captured:
        # Without access to QEMU's root, or if that has changed since QEMU started, the path is taken as one of ours.
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
