"""All changes and failures at once, while pollers of every source poll: a row that is `ok` is the device it names."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

from testkit.identity.disks import Disks
from testkit.identity.failing_calls import CHECKS_FAIL, MESSAGES_FAIL, READS_FAIL, fail_in_this_thread, few_descriptors
from testkit.identity.interfaces import ELSEWHERE, Interfaces
from testkit.identity.journal import Journal
from testkit.identity.pollers import Subjects
from testkit.identity.processes import Processes

POLLING_THREADS = 2


@dataclass
class Figures:
    """What happened."""

    changes: "Counter[str]" = field(default_factory=Counter)
    checked: "Counter[str]" = field(default_factory=Counter)
    """Rows that were `ok`, by poller."""
    sources: set[str] = field(default_factory=set)
    """What `explain` said of them at first: one that was opened without descriptors takes another."""

    def __str__(self) -> str:
        lines = [f"{sum(self.checked.values()):,} rows of {len(self.checked)} pollers are the device that they name"]
        lines += [f"  {name}: {count:,}" for name, count in self.checked.items()]
        lines.append(", ".join(f"{count:,} x {change.strip('_')}" for change, count in self.changes.items()))
        return "\n".join(lines)


class Stress:
    """Runs until the time is over or something fails."""

    def __init__(self, subjects: Subjects, seed: int) -> None:
        self._subjects, self._random = subjects, random.Random(seed)
        self._ended = threading.Event()
        self._failures: list[BaseException] = []
        self._opening = threading.Lock()
        """Held by whatever needs descriptors, since there may be none left for a moment."""
        self.figures = Figures()

    def run(self, seconds: float, *changes: Callable[[], str]) -> None:
        work = [*map(self._changing, changes), self._replacing]
        work += [self._polling(first) for first in range(POLLING_THREADS)]
        work += [self._failing(failures) for failures in (READS_FAIL, CHECKS_FAIL, MESSAGES_FAIL)]
        threads = [threading.Thread(target=self._guarded, args=(one,)) for one in work]
        for thread in threads:
            thread.start()
        self._ended.wait(seconds)
        self._ended.set()
        for thread in threads:
            thread.join()
        if self._failures:
            raise self._failures[0]

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self._failures.append(error)
            self._ended.set()

    def _changing(self, change: Callable[[], str]) -> Callable[[], None]:
        def work() -> None:
            while not self._ended.wait(0.005):
                with self._opening:
                    self.figures.changes[change()] += 1

        return work

    def _polling(self, first: int) -> Callable[[], None]:
        def work() -> None:
            while not self._ended.wait(0.001):
                for subject in self._subjects.all[first::POLLING_THREADS]:
                    subject.poll()

        return work

    def _failing(self, failures: Mapping[str, int]) -> Callable[[], None]:
        def work() -> None:
            fail_in_this_thread(failures)
            choice = random.Random(len(failures))
            while not self._ended.wait(0.02):
                choice.choice(self._subjects.all).poll()

        return work

    def _replacing(self) -> None:
        """Opens handles again, or a poller, half of the time near the limit of descriptors."""
        for subject in cycle(self._subjects.all):
            if self._ended.wait(0.1):
                break
            act = subject.reopen if self._random.random() < 0.5 else subject.replace
            with self._opening, ExitStack() as stack:
                # A namespace that cannot be entered is read by name alone.
                if self._random.random() < 0.5 and ELSEWHERE not in subject.name:
                    stack.enter_context(few_descriptors(self._random.randint(0, 12)))
                act()


def stress(seconds: float, sys: Path, folder: Path, seed: int | None = None) -> Figures:
    """In the network namespace that `sys` shows."""
    seed = time.time_ns() if seed is None else seed
    journal = Journal()
    with ExitStack() as stack:
        interfaces = stack.enter_context(closing(Interfaces(journal, seed)))
        disks = stack.enter_context(closing(Disks(journal, folder, seed)))
        processes = stack.enter_context(closing(Processes(journal, folder, seed)))
        subjects = stack.enter_context(closing(Subjects(journal, interfaces, disks, processes, sys, folder)))
        running = Stress(subjects, seed)
        for subject in subjects.all:
            running.figures.sources |= subject.explained()
        try:
            running.run(seconds, interfaces.change, disks.change, processes.change)
        except BaseException as error:
            error.add_note(f"seed {seed}, after {running.figures.changes.total()} changes")
            raise
        for subject in subjects.all:
            running.figures.checked[subject.name] = subject.checked
    return running.figures
