"""Runs tests in machines, with the wheel and this machine's Python. If a test takes its machine down, only it fails."""

import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.command import LabError, run
from lab.kernels import commands, lab
from lab.kernels.commands import Command
from lab.kernels.initial_files import PROJECT
from lab.kernels.place import MachinePlace, Place

_DEFAULT = ("tests/kernels", "tests/real/test_counters_equal_what_was_sent.py")
_PLUGINS = ("pytest_timeout", "lab.kernels.guest_files.on_the_console")
_QUIET = 240
"""Seconds without output after which pytest hangs. It ends a test after 120 seconds, unless the kernel hangs."""
_WITHIN = 3600


@dataclass
class Outcome:
    """The results of the tests in one machine."""

    kernel: str
    release: str = ""
    boot: float = 0.0
    seconds: float = 0.0
    tests: dict[str, str] = field(default_factory=dict)
    """By pytest's node id: "passed", "failed", "skipped", or "started" if it has not ended."""
    status: int = 0

    @property
    def failed(self) -> bool:
        return self.status != 0 or not self.tests or set(self.tests.values()) != {"passed"}

    def __str__(self) -> str:
        counts = ", ".join(
            f"{list(self.tests.values()).count(outcome)} {outcome}" for outcome in sorted(set(self.tests.values()))
        )
        times = f"booted in {self.boot:.1f} s, tests took {self.seconds:.0f} s"
        return f"{self.kernel}: Linux {self.release}: {counts or 'no test'}; {times}"


def run_all(place: Place, wheel: Path, kernels: Sequence[str], arguments: Sequence[str]) -> int:
    """Runs them in each kernel, in as many machines at a time as there are processors. Raises LabError.

    Returns 0 if all passed and none skipped.
    """
    named = any((PROJECT / argument.partition("::")[0]).exists() for argument in arguments)
    chosen = arguments if named else [*arguments, *_DEFAULT]
    for kernel in kernels:
        lab.prepare(place, kernel)
    _install(place, wheel)
    outcomes = {kernel: Outcome(kernel, status=1) for kernel in kernels}
    free = threading.Semaphore(os.cpu_count() or 1)

    def run_one(kernel: str) -> None:
        with free:
            try:
                outcomes[kernel] = run_in(place, kernel, chosen)
            except LabError as error:
                print(error, flush=True)

    # Daemons, so that Ctrl-C does not wait for them.
    threads = [threading.Thread(target=run_one, args=(kernel,), daemon=True) for kernel in kernels]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print()
    for outcome in outcomes.values():
        print(outcome)
        for name, said in outcome.tests.items():
            if said != "passed":
                print(f"  {said}: {name}")
    return int(any(outcome.failed for outcome in outcomes.values()))


def _install(place: Place, wheel: Path) -> None:
    shutil.rmtree(place.wheel)
    run(
        *(sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-index", "--no-deps"),
        *("--target", place.wheel, wheel),
    )


def run_in(place: Place, kernel: str, arguments: Sequence[str]) -> Outcome:
    """Boots a machine, and boots it again after each test that takes it down, until all have run. Raises LabError."""
    outcome = Outcome(kernel)
    here = place.machine(kernel)
    before = time.monotonic()
    try:
        while True:
            outcome.boot = lab.up(place, kernel, again=True)
            outcome.release = commands.run(here, Command(["uname", "-r"])).out.decode().strip()
            try:
                outcome.status |= _run_pytest(place, here, arguments, done=list(outcome.tests))
            except LabError as error:
                seen = _on_the_console(here)
                print(f"{error}\n{kernel}: during {', '.join(_unfinished(seen)) or 'no test'}", flush=True)
                if not seen:
                    raise
                outcome.tests |= seen
                outcome.status = 1
            else:
                outcome.tests |= _on_the_console(here)
                break
    finally:
        lab.down(place, kernel)
    outcome.seconds = time.monotonic() - before
    return outcome


def _run_pytest(place: Place, here: MachinePlace, arguments: Sequence[str], done: list[str]) -> int:
    words = [sys.executable, "-m", "pytest", "-v", "-o", "addopts=-ra --import-mode=importlib"]
    for plugin in _PLUGINS:
        words += ["-p", plugin]
    for test in done:
        words += ["--deselect", test]
    environment = {
        "PYTHONPATH": f"{place.wheel}:{PROJECT}",
        "PYTHONUNBUFFERED": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # the other plugins take seconds to import
        "VMIOSTAT_KERNEL": here.kernel,
        "VMIOSTAT_REAL_DEVICES": "1",
    }
    command = Command([*words, "-p", "no:cacheprovider", *arguments], folder=str(PROJECT), environment=environment)
    lines = _Lines(f"{here.kernel:6} | ")
    try:
        status = commands.follow(here, command, lines.write, within=_WITHIN, quiet=_QUIET)
    finally:
        lines.end()
    # 5: nothing is left to run.
    return 0 if status == 5 and done else status


class _Lines:
    """Prints whole lines, each after the kernel's name, since several run at a time."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._rest = b""

    def write(self, _stream: str, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            print(f"{self._name}{line.decode(errors='replace')}\n", end="", flush=True)

    def end(self) -> None:
        if self._rest:
            self.write("", b"\n")


def _on_the_console(here: MachinePlace) -> dict[str, str]:
    """The outcomes so far, as guest_files/on_the_console.py writes them."""
    said = re.findall(r"test (started|passed|failed|skipped): (.*?)\r?\n", here.console.read_text(errors="replace"))
    outcomes: dict[str, str] = {}
    for outcome, name in said:
        if outcomes.get(name) not in ("failed", "skipped"):
            outcomes[name] = outcome
    return outcomes


def _unfinished(outcomes: dict[str, str]) -> list[str]:
    return [name for name, outcome in outcomes.items() if outcome == "started"]
