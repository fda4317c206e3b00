"""Makes reads of a file hang, without an unanswered server: fanotify asks a listener about each read (FAN_ACCESS_PERM).

A read of /proc/PID/io hangs likewise while an execve() of the process holds its lock: only a fatal signal ends either.
"""

import ctypes
import os
import select
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testkit.real.needs import skip

_FAN_CLASS_CONTENT, _FAN_CLOEXEC, _FAN_NONBLOCK = 4, 1, 2
_FAN_MARK_ADD, _FAN_ALLOW = 1, 1
_FAN_ACCESS_PERM = ctypes.c_uint64(0x20000)
_AT_FDCWD = -100
_EVENT = struct.Struct("=IBBHQii")
"""struct fanotify_event_metadata (include/uapi/linux/fanotify.h); its last numbers are a descriptor and a pid."""

_libc = ctypes.CDLL(None, use_errno=True)


class HeldReads:
    """Reads of a file hang from `hold` until `release`.

    The file has to be watched before a reader opens it: since Linux 6.14 the kernel decides at open whether to ask.
    """

    def __init__(self, fanotify: int) -> None:
        self._fanotify = fanotify
        self._may_read = threading.Event()
        self._ends = False
        self.release()
        self._thread = threading.Thread(target=self._answer)
        self._thread.start()

    def hold(self) -> None:
        self._may_read.clear()

    def release(self) -> None:
        self._may_read.set()

    def close(self) -> None:
        """Allows all reads. Events that are not answered are allowed when the descriptor is closed."""
        self._ends = True
        self.release()
        self._thread.join()
        os.close(self._fanotify)

    def _answer(self) -> None:
        while not self._ends:
            ready, _, _ = select.select([self._fanotify], [], [], 0.01)
            if not ready or not self._may_read.is_set():
                self._may_read.wait()
                continue
            for *_, descriptor, _ in _EVENT.iter_unpack(os.read(self._fanotify, 64 * _EVENT.size)):
                os.write(self._fanotify, struct.pack("=iI", descriptor, _FAN_ALLOW))
                os.close(descriptor)


@contextmanager
def held_reads(file: Path) -> Iterator[HeldReads]:
    flags = _FAN_CLASS_CONTENT | _FAN_CLOEXEC | _FAN_NONBLOCK
    fanotify = _libc.fanotify_init(flags, os.O_RDONLY | os.O_CLOEXEC)
    if fanotify < 0:
        skip(f"needs root and fanotify: {os.strerror(ctypes.get_errno())}")
    if _libc.fanotify_mark(fanotify, _FAN_MARK_ADD, _FAN_ACCESS_PERM, _AT_FDCWD, bytes(file)):
        os.close(fanotify)
        skip(f"needs a kernel that asks about reads: {os.strerror(ctypes.get_errno())}")
    held = HeldReads(fanotify)
    try:
        yield held
    finally:
        held.close()
