"""A QEMU that runs as a daemon, found by its pid file and by a unique word of its command line."""

import os
import select
import signal
from pathlib import Path

from lab.command import LabError


def pid(file: Path, word: str) -> int | None:
    """QEMU's pid, None if it does not run. The pid in the file may since be another process's."""
    try:
        found = int(file.read_text())
        words = Path(f"/proc/{found}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ValueError, ProcessLookupError):
        return None
    return found if os.fsencode(word) in words else None


def stop(file: Path, word: str) -> None:
    """Ends it, and waits until it has ended. Raises LabError."""
    while (running := pid(file, word)) is not None:
        process = os.pidfd_open(running)
        try:
            for by in (signal.SIGTERM, signal.SIGKILL):
                signal.pidfd_send_signal(process, by)
                if select.select([process], [], [], 10)[0]:
                    break
            else:
                raise LabError(f"QEMU (pid {running}) does not end, not even when killed")
        finally:
            os.close(process)
        file.unlink(missing_ok=True)
