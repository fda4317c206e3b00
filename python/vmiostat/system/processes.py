"""What /proc says of a process: when it was started and by whom, its command line, and whether it has ended."""

import errno
import os
import re

from vmiostat._core import Roots
from vmiostat.errors import SourceError
from vmiostat.system.probe.pool import PROBE

_PF_KTHREAD = 0x200000
"""A thread of the kernel's (include/linux/sched.h): no program can set it for itself."""
COMMAND_LINE_LIMIT = 256 << 10
"""Bytes of a command line that are read: a QEMU with a thousand disks has half of it."""

_ENDED = (b"Z", b"X")
"""States of a main thread that has ended. The process has not while another thread of it runs."""
_USERS = re.compile(rb"^Uid:\t(\d+)\t(\d+)\t(\d+)\t(\d+)$", re.MULTILINE)
"""Real, effective, saved and of the file system (proc_pid_status(5))."""
_STATE, _PARENT, _FLAGS, _STARTED = 0, 1, 6, 19
"""Fields 3, 4, 9 and 22 of /proc/PID/stat (proc_pid_stat(5)), counted from behind the second one, its name."""


def start_time(pid: int, roots: Roots) -> int | None:
    """When the process of this pid was started, in clock ticks since boot; None for one that has ended or is hidden."""
    fields = _stat(pid, roots)
    try:
        ended = fields[_STATE] in _ENDED and not _other_threads(pid, roots)
        return None if ended else int(fields[_STARTED])
    except (ValueError, IndexError):
        return None


def user(pid: int, roots: Roots) -> int | None:
    """The user of a process; None for one that has ended, or has several (setuid). In a captured tree it is root."""
    if roots.captured:
        return 0
    match = _USERS.search(roots.read_or_none(f"/proc/{pid}/status") or b"")
    users = {int(number) for number in match.groups()} if match else set()
    return users.pop() if len(users) == 1 else None


def parent(pid: int, roots: Roots) -> int | None:
    """The process that started it, or took it over when that one ended; None for one that has ended or is hidden."""
    try:
        return int(_stat(pid, roots)[_PARENT])
    except (ValueError, IndexError):
        return None


def _stat(pid: int, roots: Roots) -> list[bytes]:
    """Its name may contain spaces and brackets; the last bracket ends it."""
    return (roots.read_or_none(f"/proc/{pid}/stat") or b"").rpartition(b")")[2].split()


def _other_threads(pid: int, roots: Roots) -> bool:
    return any(name != str(pid) for name in roots.list_or_empty(f"/proc/{pid}/task"))


def may_trace(pid: int, roots: Roots) -> bool:
    """Whether this process may read what takes the right to trace that one, as /proc/PID/io does.

    Reading a link takes the same right (PTRACE_MODE_READ_FSCREDS), and not the lock that reading io takes and an
    execve() can hold for ever.
    """
    try:
        folder = roots.open_folder(f"/proc/{pid}")
    except SourceError:
        return False
    try:
        os.readlink("exe", dir_fd=folder)
    except FileNotFoundError:  # a thread of the kernel's
        return True
    except OSError:
        return False
    finally:
        os.close(folder)
    return True


def pids(roots: Roots) -> frozenset[int]:
    """The processes that are seen; none where there is no /proc. Raises SourceError where that cannot be listed."""
    try:
        names = roots.list("/proc")
    except SourceError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return frozenset()
        raise
    return frozenset(int(name) for name in names if name.isascii() and name.isdecimal())


def command_line(pid: int, roots: Roots) -> list[str]:
    """Its arguments, the program's own name first; none of a kernel thread. Raises SourceError.

    Reading it takes the process's mmap lock, which a page fault on a hung file system may hold: a helper
    process reads it.
    """
    path = f"/proc/{pid}/cmdline"
    if roots.captured:
        text = os.fsdecode(roots.read(path))
    else:
        key = (pid, start_time(pid, roots))
        arguments = (roots.shown("/proc"), *key, COMMAND_LINE_LIMIT)
        text, _ = PROBE.call("command_line", *arguments, key=key, path=roots.shown(path), user=user(pid, roots))
    return text.removesuffix("\0").split("\0") if text else []


def sees_every_process(roots: Roots) -> bool:
    """Whether /proc shows all of the machine's processes: not only those of a PID namespace or (hidepid) of the user.

    The kernel's own thread kthreadd is process 2 of the first PID namespace, and no other has threads of the kernel's.
    """
    return is_kernel_thread(2, roots)


def is_kernel_thread(pid: int, roots: Roots) -> bool:
    """Whether it is one of the kernel's own, which has no program."""
    fields = _stat(pid, roots)
    try:
        return bool(int(fields[_FLAGS]) & _PF_KTHREAD)
    except (ValueError, IndexError):
        return False
