"""What anyone may read about a process in /proc: its start time and its command line."""

import os

from vmiostat._core import Roots

_ENDED = (b"Z", b"X")
"""States of a process that has ended but was not reaped yet. It has no open files any more."""
_STATE, _STARTED = 0, 19
"""Fields 3 and 22 of /proc/PID/stat (proc_pid_stat(5)), counted from after the second one, the name."""


def start_time(pid: int, roots: Roots) -> int | None:
    """When the process of this pid was started, in clock ticks since boot; None for one that has ended or is hidden."""
    stat = roots.read_or_none(f"/proc/{pid}/stat") or b""
    # The name may contain spaces and brackets; the last bracket ends it.
    fields = stat.rpartition(b")")[2].split()
    try:
        return None if fields[_STATE] in _ENDED else int(fields[_STARTED])
    except (ValueError, IndexError):
        return None


def pids(roots: Roots) -> frozenset[int]:
    """The processes in /proc."""
    names = roots.list_or_empty("/proc")
    return frozenset(int(name) for name in names if name.isascii() and name.isdecimal())


def command_line(pid: int, roots: Roots) -> list[str]:
    """Its arguments, from the program's name on; empty for a kernel thread. Raises SourceError."""
    text = roots.read(f"/proc/{pid}/cmdline")
    return os.fsdecode(text).removesuffix("\0").split("\0") if text else []


def sees_every_process(roots: Roots) -> bool:
    """Whether /proc shows all of the machine's processes: not only those of a PID namespace or (hidepid) of the user.

    The kernel starts kthreadd as process 2, which belongs to root and is in no other PID namespace.
    """
    return (roots.read_or_none("/proc/2/comm") or b"").strip() == b"kthreadd"
