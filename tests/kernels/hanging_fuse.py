"""A FUSE file system that stops answering: a process that waits for an answer hangs, and no signal ends it.

As a program, hanging_fuse.py FOLDER OPERATION..., it needs no privileges. In a user and a mount namespace of its own it
mounts the file system at FOLDER/fuse and an overlay of it at FOLDER/overlay, and opens `file` in both. FUSE refuses
every user except the one who mounted it, even root. The overlay reads with its mounter's rights, so root hangs too.
Root mounts both for all to see, as the host mounts a file server that may die.

Protocol: Linux, include/uapi/linux/fuse.h.
"""

import ctypes
import errno
import os
import signal
import stat
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

NOBODY = 65534


class Operation(IntEnum):
    """FUSE's requests."""

    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    OPEN = 14
    READ = 15
    STATFS = 17
    RELEASE = 18
    FLUSH = 25
    INIT = 26
    OPENDIR = 27
    READDIR = 28
    RELEASEDIR = 29
    INTERRUPT = 36
    BATCH_FORGET = 42


_NO_ANSWER = (Operation.FORGET, Operation.INTERRUPT, Operation.BATCH_FORGET)
_ROOT, _FILE = 1, 2
_SIZE = 1 << 16
_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class HangingFuse:
    """A mounted one."""

    folder: Path
    process: subprocess.Popen[bytes]
    server: int
    """The process that answers, or does not."""
    fuse: int
    """The process's descriptor of the file in the FUSE file system."""
    overlay: int
    """Its descriptor of the same file in the overlay."""

    def hang(self) -> None:
        """Stops answering the chosen requests."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == b"hangs\n"

    def copy(self, number: int) -> int:
        """One of the process's descriptors, as if it had been passed by SCM_RIGHTS."""
        process = os.pidfd_open(self.process.pid)
        try:
            copy: int = _libc.syscall(438, process, number, 0)  # pidfd_getfd
            _checked(min(copy, 0), "pidfd_getfd")
            return copy
        finally:
            os.close(process)

    def end(self) -> None:
        """Kills the server: all that waits for it fails. It comes first, since the other one may wait for it, too."""
        with suppress(ProcessLookupError):
            os.kill(self.server, signal.SIGKILL)
        self.process.kill()

    @property
    def descriptor(self) -> Path:
        """The overlay's file, as root finds it."""
        return Path(f"/proc/{self.process.pid}/fd/{self.overlay}")


@contextmanager
def hanging_fuse(folder: Path, *held: Operation, user: int = NOBODY) -> Iterator[HangingFuse]:
    """Mounts one as this user. On exit its server is killed, and requests that wait for it fail."""
    folder.mkdir()
    os.chown(folder, user, user)
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, folder, *(operation.name for operation in held)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        user=user,
        group=user,
        extra_groups=(),
        cwd="/",
        start_new_session=True,  # killing the test's session leaves it running
    )
    with process:
        assert process.stdout is not None
        hanging = HangingFuse(folder, process, *map(int, process.stdout.readline().split()))
        try:
            yield hanging
        finally:
            hanging.end()
            if user == 0:
                for name in ("overlay", "fuse"):
                    _libc.umount2(bytes(folder / name), 2)  # MNT_DETACH


def _answer(operation: Operation, node: int, rest: bytes) -> bytes:
    """The answer to a request, which the kernel must not cache. Raises OSError."""
    match operation:
        case Operation.INIT:  # version 7.31, no flags
            return struct.pack("<4I2H2I2H8I", 7, 31, 1 << 16, 0, 16, 12, 1 << 16, 1, 16, 0, *[0] * 8)
        case Operation.LOOKUP:
            if rest.rstrip(b"\0") != b"file":
                raise OSError(errno.ENOENT, "has no other file")
            return struct.pack("<4Q2I", _FILE, 0, 0, 0, 0, 0) + _attributes(_FILE)
        case Operation.GETATTR:
            return struct.pack("<Q2I", 0, 0, 0) + _attributes(node)
        case Operation.OPEN | Operation.OPENDIR:
            return struct.pack("<Q2I", 0, 0, 0)
        case Operation.READ:
            offset, size = struct.unpack_from("<8xQI", rest)
            return bytes(max(0, min(size, _SIZE - offset)))
        case Operation.STATFS:
            return struct.pack("<5Q10I", 0, 0, 0, 0, 0, 4096, 255, 4096, *[0] * 7)
        case Operation.READDIR:
            (offset,) = struct.unpack_from("<8xQ", rest)
            return b"" if offset else struct.pack("<QQII8s", _FILE, 1, 4, stat.S_IFREG >> 12, b"file")
    return b""


def _attributes(node: int) -> bytes:
    mode = stat.S_IFDIR | 0o755 if node == _ROOT else stat.S_IFREG | 0o755
    #                       ino   size   blocks, times        mode, links, user, group, device, block size, flags
    return struct.pack("<6Q10I", node, _SIZE, _SIZE // 512, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def _serve(fuse: int, held: Sequence[Operation], hangs: int) -> None:
    """Answers requests, those that are held only while `hangs` is empty."""
    while True:
        request = os.read(fuse, 1 << 18)
        _, number, unique, node = struct.unpack_from("<IIQQ", request)
        data, failed = b"", 0
        try:
            operation = Operation(number)
            if operation in _NO_ANSWER or (operation in held and _has_begun(hangs)):
                continue
            data = _answer(operation, node, request[40:])
        except ValueError:
            failed = errno.ENOSYS
        except OSError as error:
            failed = error.errno or errno.EIO
        os.write(fuse, struct.pack("<IiQ", 16 + len(data), -failed, unique) + data)


def _has_begun(hangs: int) -> bool:
    return os.fstat(hangs).st_size > 0


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def _mount(kind: str, at: Path, options: str) -> None:
    at.mkdir()
    _checked(_libc.mount(kind.encode(), bytes(at), kind.encode(), 0, options.encode()), f"mount {kind}")


def _enter_namespaces() -> None:
    """Makes this process root of a new user namespace, which may mount in a new mount namespace."""
    user, group = os.geteuid(), os.getegid()
    _checked(_libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        Path(f"/proc/self/{name}").write_text(text)


def main(folder: Path, held: Sequence[Operation]) -> None:
    if os.geteuid() != 0:
        _enter_namespaces()
    hangs = os.memfd_create("hangs")
    fuse = os.open("/dev/fuse", os.O_RDWR)
    _mount("fuse", folder / "fuse", f"fd={fuse},rootmode=40000,user_id=0,group_id=0")
    parent = os.getpid()
    server = os.fork()
    if server == 0:
        _checked(_libc.prctl(1, 9), "prctl(PR_SET_PDEATHSIG)")  # it ends with its parent
        if os.getppid() == parent:
            _serve(fuse, held, hangs)
        os._exit(0)
    os.close(fuse)
    (folder / "empty").mkdir()
    _mount("overlay", folder / "overlay", f"lowerdir={folder}/fuse:{folder}/empty")
    opened = [os.open(folder / name / "file", os.O_RDONLY) for name in ("fuse", "overlay")]
    print(server, *opened, flush=True)
    sys.stdin.buffer.readline()
    os.write(hangs, b"1")
    print("hangs", flush=True)
    signal.pause()


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Operation[name] for name in sys.argv[2:]])
