"""Processes that end and whose pids others get, each with an amount of I/O of its own."""

import random
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

from testkit.identity import process_agent
from testkit.identity.journal import Count, Device, Journal

_BLOCK = 4096
PIDS = [100, 200]

Place = tuple[str, int]


class Processes:
    """In a pid namespace of their own, whose /proc is `proc`. One thread changes them."""

    def __init__(self, journal: Journal, folder: Path, seed: int) -> None:
        self._journal, self._random = journal, random.Random(seed)
        self._numbers = count(1)
        self._folder = folder / "processes"
        self._folder.mkdir()
        self.proc = self._folder / "proc"
        agent = [sys.executable, process_agent.__file__, str(self._folder)]
        self._agent = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--kill-child", *agent],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._hears("mounted")
        self._running: dict[int, Device] = {}
        for pid in PIDS:
            self._start(pid)

    def close(self) -> None:
        self._agent.communicate()
        subprocess.run(["umount", "--lazy", self.proc], check=True)

    def change(self) -> str:
        """Another process gets the pid of one, at once or after a while."""
        change: Callable[[int], object] = self._random.choice([self._start, self._end, self._replace])
        change(self._random.choice(PIDS))
        return f"{change.__name__}_process"

    def _replace(self, pid: int) -> None:
        self._end(pid)
        self._start(pid)

    def _start(self, pid: int) -> None:
        if pid in self._running:
            return
        read = Count()
        process = Device(f"process {next(self._numbers)}", 0, {"rd_bytes": read}, {"rd_bytes": 1})
        self._journal.enters(("pid", pid), process)
        size = _BLOCK * self._random.randint(1, process_agent.MAX_SIZE // _BLOCK)
        read.begins(size)
        self._tell(f"start {pid} {size}", "started")
        read.ends()
        # Field 22, behind the command, which may hold any bytes.
        process.index = int((self.proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[19])
        self._running[pid] = process

    def _end(self, pid: int) -> None:
        if (process := self._running.pop(pid, None)) is not None:
            process.ends_now()
            self._tell(f"end {pid}", "ended")
            self._journal.has_left(("pid", pid), process)

    def _tell(self, line: str, answer: str) -> None:
        assert self._agent.stdin is not None
        self._agent.stdin.write(f"{line}\n")
        self._agent.stdin.flush()
        self._hears(answer)

    def _hears(self, answer: str) -> None:
        assert self._agent.stdout is not None
        heard = self._agent.stdout.readline()
        assert heard == f"{answer}\n", heard
