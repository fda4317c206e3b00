"""The lab's processes: known by their pid files, and ended only when they are the lab's without doubt."""

import contextlib
import os
import signal
import time
from pathlib import Path

from lab.command import LabError
from lab.kvm.place import Place


def from_file(place: Place, file: Path, program: str) -> int | None:
    """The process of a pid file; None when it has ended, also if its pid is another process's now."""
    try:
        pid = int(file.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return pid if is_the_labs(place, pid, program) else None


def is_the_labs(place: Place, pid: int, program: str) -> bool:
    """Whether the process runs this program in the lab's network namespace."""
    try:
        # A zombie still has its pid, but neither program nor namespace.
        runs = Path(f"/proc/{pid}/exe").readlink().name.removesuffix(" (deleted)")
        return runs == program and place.namespace.samefile(f"/proc/{pid}/ns/net")
    except OSError:
        return False


def end(place: Place, pid: int, program: str, *, by: signal.Signals = signal.SIGTERM, within: float = 20) -> None:
    """Ends a process, and waits until it has; one that does not end is killed. Raises LabError."""
    for one in (by, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            if is_the_labs(place, pid, program):
                os.kill(pid, one)
        until = time.monotonic() + within
        while time.monotonic() < until:
            if not is_the_labs(place, pid, program):
                return
            time.sleep(0.02)
    raise LabError(f"{program} (pid {pid}) does not end, not even when killed")
