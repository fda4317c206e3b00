"""The helper process: one request at a time from its socket, one answer.

Run as `python -I -S server.py` with the socket as its standard input, without vmiostat's modules: it starts in some
10 ms, and holds nothing that another process waits for. Each call here may sleep in the kernel for
ever (a FUSE file system, an mmap lock, a dead NFS server): then only this process hangs.

No file that a stranger named is opened but with O_PATH, which asks no driver and no file system to open anything: a
watchdog starts to run when its node is opened. Only a regular file of root's is, once O_PATH has shown that it is one.
"""

import errno
import json
import os
import re
import socket
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fcntl import ioctl
from functools import cache
from typing import Any, Self

Answer = tuple[Any, socket.socket | None]
"""What goes into the JSON, and a socket to hand over with it."""

_STARTED = 19
"""Field 22 of /proc/PID/stat (proc_pid_stat(5)), counted from behind the second one, its name."""
_CHUNK = 1 << 16
_TEXT_LIMIT = 1 << 14
"""Bytes of one fdinfo file that are read: an epoll descriptor's has a line for each file in it."""
_TAP_NAME = re.compile(rb"^iff:\s*(.+)$", re.MULTILINE)
_MACVTAP_DRIVER = re.compile(rb"^ *([0-9]+) (?:macvtap|ipvtap)$", re.MULTILINE)
_FLAGS = re.compile(rb"^flags:\s*([0-7]{1,11})\s*$", re.MULTILINE)

_PIDFD_GETFD = 438
"""The number of the system call on all architectures (include/uapi/asm-generic/unistd.h)."""
_TUNGETIFF, _TUNGETDEVNETNS = 0x800454D2, 0x54E3
_IFREQ = 40
"""Bytes of struct ifreq, which begins with the interface's name."""

_O_PATH = os.O_PATH | os.O_CLOEXEC
_AUTOFS = 0x0187
"""AUTOFS_SUPER_MAGIC, in the f_type of struct statfs."""


class Ended(OSError):
    """The process has ended, or its pid is another's by now."""

    def __init__(self) -> None:
        super().__init__(errno.ESRCH, os.strerror(errno.ESRCH))


class Folder:
    """/proc/PID of one run of a process: what is opened below it is that run's or fails with ESRCH."""

    def __init__(self, proc: str, pid: int, started: int | None) -> None:
        self._started = started
        self.descriptor = os.open(f"{proc}/{pid}", _O_PATH | os.O_DIRECTORY)
        try:
            self.check()
        except BaseException:
            os.close(self.descriptor)
            raise

    def check(self) -> None:
        fields = self.read("stat", 4096).rpartition(b")")[2].split()
        if self._started is not None and (len(fields) <= _STARTED or int(fields[_STARTED]) != self._started):
            raise Ended

    def read(self, name: str, limit: int) -> bytes:
        """The first bytes of a file below the folder."""
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=self.descriptor)
        try:
            parts, left = [], limit
            while left and (part := os.read(descriptor, min(left, _CHUNK))):
                parts.append(part)
                left -= len(part)
            return b"".join(parts)
        finally:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)


def command_line(proc: str, pid: int, started: int | None, limit: int) -> Answer:
    """The bytes of /proc/PID/cmdline: reading them takes the process's mmap lock."""
    with Folder(proc, pid, started) as folder:
        text = folder.read("cmdline", limit)
        folder.check()
    return os.fsdecode(text), None


def descriptors(proc: str, pid: int, started: int | None, numbers: Sequence[int]) -> Answer:
    """Of each descriptor: the interface of a tap, the number of a block device, its flags, the inode of the tap's
    network namespace, and whether it is a macvtap. Null stands for what it is not, and for what cannot be known.

    fdinfo of a tap takes RTNL (tun_chr_show_fdinfo); a stat of what is behind a link asks its file system.
    """
    found: dict[int, list[Any]] = {}
    macvtap_majors = _macvtap_majors(proc)
    with Folder(proc, pid, started) as folder, Copies(proc, pid) as copies:
        folder.check()  # so that the copies are of this run, too
        for number in numbers:
            try:
                text = folder.read(f"fdinfo/{number}", _TEXT_LIMIT)
                tap, flags = _TAP_NAME.search(text), _FLAGS.search(text)
                status = os.stat(f"fd/{number}", dir_fd=folder.descriptor)
            except OSError:  # it was closed since
                continue
            name, namespace, macvtap = None, None, False
            if tap:
                name = os.fsdecode(tap[1].strip())
                namespace = copies.namespace_of_tap(number, name)
            elif stat.S_ISCHR(status.st_mode) and os.major(status.st_rdev) in macvtap_majors:
                name, macvtap = copies.interface(number), True
            found[number] = [name, _block_device(status), int(flags[1], 8) if flags else 0, namespace, macvtap]
        folder.check()
    return found, None


class Copies:
    """Copies of the descriptors of a process (pidfd_getfd, since Linux 5.6), to ask taps what they are."""

    def __init__(self, proc: str, pid: int) -> None:
        self._process: int | None = None
        # In another PID namespace, as that of a container's /proc, the pid is another process's.
        if os.readlink(f"{proc}/self") == str(os.getpid()):  # noqa: PTH115
            with suppress(OSError):
                self._process = os.pidfd_open(pid)

    def interface(self, number: int) -> str | None:
        """The interface of a tap or macvtap."""
        with self._copy(number) as copy:
            return None if copy is None else _interface(copy)

    def namespace_of_tap(self, number: int, name: str) -> int | None:
        """The inode of the network namespace in which a tap is now (TUNGETDEVNETNS, since Linux 5.7)."""
        with self._copy(number) as copy:
            if copy is None or _interface(copy) != name:
                return None
            try:
                namespace = ioctl(copy, _TUNGETDEVNETNS)
            except OSError:
                return None
        try:
            return os.fstat(namespace).st_ino
        finally:
            os.close(namespace)

    @contextmanager
    def _copy(self, number: int) -> Iterator[int | None]:
        copy = -1
        if self._process is not None:
            copy = _libc().syscall(_PIDFD_GETFD, self._process, number, 0)
        try:
            yield None if copy < 0 else copy
        finally:
            if copy >= 0:
                os.close(copy)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            os.close(self._process)


def _interface(tap: int) -> str | None:
    try:
        return os.fsdecode(ioctl(tap, _TUNGETIFF, bytes(_IFREQ)).partition(b"\0")[0])
    except OSError:
        return None


def _macvtap_majors(proc: str) -> frozenset[int]:
    """The major numbers of the character devices of macvtap's and ipvtap's drivers."""
    with open(f"{proc}/devices", "rb") as file:  # noqa: PTH123
        return frozenset(map(int, _MACVTAP_DRIVER.findall(file.read())))


@cache
def _libc() -> Any:
    import ctypes  # takes longer to import than all else, and few processes have a tap

    return ctypes.CDLL(None)


def executable(proc: str, pid: int, started: int | None) -> Answer:
    """Device, inode, owner and mode of the file that a process runs, which may be on a file server."""
    with Folder(proc, pid, started) as folder:
        status = os.stat("exe", dir_fd=folder.descriptor)
        folder.check()
    return [status.st_dev, status.st_ino, status.st_uid, status.st_mode], None


def block_device(path: str, root: str) -> Answer:
    """Major and minor of the block device at a path below a root, with links followed; null for any other file."""
    node = _open_below(path, root)
    try:
        return _block_device(os.fstat(node)), None
    finally:
        os.close(node)


def configuration(path: str, root: str, may_be_private: bool, limit: int) -> Answer:
    """The text of a regular file below a root, if root owns it and no one else may write it.

    Unless it may be private, everyone must be permitted to read it.
    """
    node = _open_below(path, root)
    try:
        status = os.fstat(node)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        if status.st_uid != 0 or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise OSError(errno.EPERM, "others than root may write it")
        if not may_be_private and not status.st_mode & stat.S_IROTH:
            raise OSError(errno.EACCES, "not everyone may read it")
        with open(f"/proc/self/fd/{node}", "rb") as file:  # noqa: PTH123
            text = file.read(limit + 1)
    finally:
        os.close(node)
    if len(text) > limit:
        raise OSError(errno.EFBIG, f"it is longer than {limit} bytes")
    return os.fsdecode(text), None


def connect(path: str, root: str, inodes: Sequence[int] | None) -> Answer:
    """A connection to the UNIX socket at a path, if its file has one of these inodes (their lower 32 bits).

    The path's folders are walked below the root of the process that named it, and its links stay below that.
    """
    node = _open_below(path, root)
    try:
        status = os.fstat(node)
        if not stat.S_ISSOCK(status.st_mode):
            raise OSError(errno.ENOTSOCK, os.strerror(errno.ENOTSOCK))
        if inodes is not None and status.st_ino & 0xFFFFFFFF not in inodes:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        # By its descriptor: a path may be longer than an address has room for.
        connection.connect(f"/proc/self/fd/{node}")
        return None, connection
    finally:
        os.close(node)


def _open_below(path: str, root: str, links: int = 40) -> int:
    """The file at a path, itself no link: each folder is opened on its own, so that none leads out of the root."""
    folders = [os.open(root, _O_PATH | os.O_DIRECTORY)]
    try:
        names = [name for name in path.split("/") if name not in ("", ".")]
        while names:
            name = names.pop(0)
            if name == "..":
                if len(folders) > 1:
                    os.close(folders.pop())
                continue
            if _would_be_mounted(name, folders[-1]):
                raise OSError(errno.ENOENT, "autofs has not mounted it")
            node = os.open(name, _O_PATH | os.O_NOFOLLOW, dir_fd=folders[-1])
            folders.append(node)
            if stat.S_ISLNK(os.fstat(node).st_mode):
                links -= 1
                if links < 0:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                target = os.readlink("", dir_fd=node)
                os.close(folders.pop())
                if target.startswith("/"):
                    while len(folders) > 1:
                        os.close(folders.pop())
                names = [part for part in target.split("/") if part not in ("", ".")] + names
        return folders.pop()
    finally:
        for folder in folders:
            os.close(folder)


def _would_be_mounted(name: str, folder: int) -> bool:
    """Whether opening the name would make autofs ask its daemon to mount it: where there is no such file yet.

    For a file that is there O_PATH does not (follow_automount, fs/namei.c), and its type is the mounted one's if it is
    mounted.
    """
    import ctypes

    status = (ctypes.c_long * 32)()  # struct statfs is shorter, and begins with f_type
    if _libc().fstatfs(folder, status) or status[0] != _AUTOFS:
        return False
    listed = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    try:
        return name not in os.listdir(listed)  # noqa: PTH208
    finally:
        os.close(listed)


def _block_device(status: os.stat_result) -> list[int] | None:
    return [os.major(status.st_rdev), os.minor(status.st_rdev)] if stat.S_ISBLK(status.st_mode) else None


OPERATIONS: dict[str, Callable[..., Answer]] = {
    operation.__name__: operation
    for operation in (command_line, descriptors, executable, block_device, configuration, connect)
}


def answer(request: bytes) -> tuple[dict[str, Any], socket.socket | None]:
    """The answer to one request, and a descriptor to hand over with it."""
    name, arguments = json.loads(request)
    try:
        value, handed = OPERATIONS[name](*arguments)
    except OSError as error:
        return {"errno": error.errno, "why": error.strerror}, None
    except ValueError:  # a path with a null byte, or a surrogate that stands for no byte
        return {"errno": errno.ENOENT, "why": os.strerror(errno.ENOENT)}, None
    return {"value": value}, handed


def serve(channel: socket.socket) -> None:
    """Answers until the other end is closed. A message is its length in decimal, a newline, and that many bytes.

    First comes one byte: the helper has started.
    """
    channel.sendall(b"\n")
    stream = channel.makefile("rb")
    while line := stream.readline():
        said, handed = answer(stream.read(int(line)))
        data = json.dumps(said).encode()
        data = b"%d\n" % len(data) + data
        if handed is not None:
            sent = socket.send_fds(channel, [data], [handed.fileno()])
            handed.close()
            data = data[sent:]
        channel.sendall(data)


if __name__ == "__main__":
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # what the program left open for its own children
    with socket.socket(fileno=0) as end:
        serve(end)
