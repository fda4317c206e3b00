"""A process that polls, and strace beside it: it makes chosen system calls fail, without the kernel being asked."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from testkit.real.needs import need_program, skip

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Fault:
    """The `nth` of these system calls from now on fails so (`+` behind it: and every one after it)."""

    call: str
    errno: str
    nth: str = "1"


@dataclass(frozen=True)
class Row:
    """A row of a poll, of either table."""

    kind: str
    state: str
    generation: int
    counters: tuple[int, ...]
    problem: str | None


class FaultyProcess:
    """Runs `polling_child.py` in the namespaces of the calling thread."""

    def __init__(self) -> None:
        need_program("strace")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.polling_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def call(self, name: str, *arguments: object) -> Any:
        """What the call gave. Raises ChildFailed with the text of what it raised there."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, *arguments]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the process ended ({self._process.wait()}) instead of answering {name}"
        good, answer = json.loads(line)
        if not good:
            raise ChildFailed(answer)
        return answer

    def discover(self, xml: Path, **roots: Path) -> tuple[int, list[str]]:
        """How many domains there are, which are then what is opened; and what kept it from finding more."""
        count, problems = self.call("discover", str(xml), {name: str(path) for name, path in roots.items()})
        return count, problems

    def open(self, xml: Path, source: str, **roots: Path) -> list[str]:
        """The sources that read the rows of a poller just opened."""
        self.discover(xml, **roots)
        self.call("open", source)
        return list(map(str, self.call("sources")))

    def poll(self) -> list[Row]:
        return [
            Row(kind, state, generation, tuple(counters), problem)
            for kind, state, generation, counters, problem in self.call("poll")
        ]

    @contextmanager
    def having(self, *faults: Fault) -> Iterator[None]:
        """The process has these faults; the kernel is not asked where one is."""
        traced = "--trace=" + ",".join(fault.call for fault in faults)
        injected = [f"--inject={fault.call}:error={fault.errno}:when={fault.nth}" for fault in faults]
        strace = subprocess.Popen(
            ["strace", "-f", "-p", str(self._process.pid), "-o", "/dev/null", traced, *injected],
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert strace.stderr is not None
            told = strace.stderr.readline()
            if "attached" not in told:
                skip(f"needs a strace that may trace; here it may not: {told.strip()}")
            yield
        finally:
            strace.terminate()
            strace.communicate()

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ChildFailed(Exception):
    """The call raised in the process."""
