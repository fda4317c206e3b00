"""What /proc tells of a process to anyone: when it started, and the command line that it was started with."""

import os

from vmiostat._core import Roots

_ENDED = (b"Z", b"X")
"""States of a process that has ended and that its parent has not asked for yet: it holds nothing any more."""
_STATE, _STARTED = 0, 19
"""Fields 3 and 22 of /proc/PID/stat (proc_pid_stat(5)), counted from behind the second one, its name."""


def start_time(pid: int, roots: Roots) -> int | None:
    """When the process of this pid was started, in clock ticks since boot; None for one that has ended or is hidden."""
    stat = roots.read_or_none(f"/proc/{pid}/stat") or b""
    # A name may hold spaces and brackets of its own, and ends with the last one.
    fields = stat.rpartition(b")")[2].split()
    try:
        return None if fields[_STATE] in _ENDED else int(fields[_STARTED])
    except (ValueError, IndexError):
        return None


def pids(roots: Roots) -> frozenset[int]:
    """The processes that are seen; none where there is no /proc."""
    names = roots.list_or_empty("/proc")
    return frozenset(int(name) for name in names if name.isascii() and name.isdecimal())


def command_line(pid: int, roots: Roots) -> list[str]:
    """Its arguments, the program's own name first; none of a kernel thread. Raises SourceError."""
    text = roots.read(f"/proc/{pid}/cmdline")
    return os.fsdecode(text).removesuffix("\0").split("\0") if text else []


def sees_every_process(roots: Roots) -> bool:
    """Whether the machine's /proc shows all its processes: not a PID namespace's alone, nor (hidepid) the user's own.

    The kernel starts kthreadd as process 2, which is nobody's own and in no other PID namespace.
    """
    return (roots.read_or_none("/proc/2/comm") or b"").strip() == b"kthreadd"
