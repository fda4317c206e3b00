"""The installed command, run by root: once, or reporting again and again while something happens."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import vmiostat
from testkit.until import until

COMMAND = Path(vmiostat.__file__).parents[1] / "bin/vmiostat"
QUERIED = ("--qemu-interval", "1")

Rows = dict[str, str]
"""The state of each row, by "DOMAIN DEVICE"."""


def once(*options: str) -> subprocess.CompletedProcess[str]:
    """One report."""
    return subprocess.run([COMMAND, *options], capture_output=True, text=True, timeout=100, check=False)


def rows(line: str, *domains: str) -> Rows:
    """Those of a line of JSON, of these domains."""
    report: dict[str, Any] = json.loads(line)
    found = [*report.get("block", ()), *report.get("interface", ())]
    return {f"{row['domain']} {row['device']}": row["state"] for row in found if row["domain"] in domains}


class Reports:
    """The command with a report each second, which follows changes and queries QEMU."""

    def __init__(self, *options: str) -> None:
        command = [str(COMMAND), "-y", "--json", *QUERIED, *options, "1"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.pid = self._process.pid
        self.lines: list[tuple[float, str]] = []
        """Each with when it came."""
        self.warnings: list[str] = []
        self._threads = [
            threading.Thread(target=self._read_lines, daemon=True),
            threading.Thread(target=self._read_warnings, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def rows(self, *domains: str) -> Rows:
        """The newest of these domains."""
        return rows(self.lines[-1][1], *domains) if self.lines else {}

    @property
    def size(self) -> dict[str, int]:
        """How much of the machine it holds."""
        folder = Path(f"/proc/{self.pid}")
        counts = {"threads": "task", "files": "fd"}
        return {what: len(os.listdir(folder / name)) for what, name in counts.items()} | {  # noqa: PTH208
            "helpers": len(children(self.pid))
        }

    def longest_wait(self) -> float:
        """Seconds between two reports."""
        times = [when for when, _ in self.lines]
        return max(after - before for before, after in pairwise(times))

    def end(self, by: int) -> float:
        """Sends a signal; how long it takes to end."""
        begun = time.monotonic()
        self._process.send_signal(by)
        self._process.wait(60)
        took = time.monotonic() - begun
        assert self._process.returncode == (0 if by == signal.SIGINT else 128 + by), self.warnings
        return took

    def close(self) -> None:
        self._process.kill()
        self._process.wait(60)
        for thread in self._threads:
            thread.join(10)
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()

    def _read_lines(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append((time.monotonic(), line))

    def _read_warnings(self) -> None:
        assert self._process.stderr is not None
        self.warnings.extend(self._process.stderr)


def reported(condition: Callable[[], object]) -> None:
    """Waits until the condition is true, and leaves the machine's one processor to others meanwhile."""
    until(condition, 90, 0.25)


@contextmanager
def reporting(*options: str) -> Iterator[Reports]:
    reports = Reports(*options)
    try:
        yield reports
    finally:
        reports.close()


def usual_end(by: int) -> float:
    """How long the command takes to end by this signal while nothing hangs."""
    with reporting() as reports:
        reported(lambda: reports.lines)
        return reports.end(by)


def stat(pid: int) -> list[str]:
    """From the state on; it takes no lock that can be held."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def children(pid: int) -> dict[int, str]:
    """The state of each."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent, *_ = stat(int(folder.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == pid:
            found[int(folder.name)] = state
    return found
