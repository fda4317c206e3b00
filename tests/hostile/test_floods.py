"""All floods at once, by unprivileged users, beside one honest QEMU: its rows stay the same, the cost has limits."""

import json
import re
import signal
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice, pairwise, takewhile
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import pytest

from testkit.command import COMMAND
from testkit.measured import Measured
from testkit.real.flood import VMMS, flood
from testkit.real.needs import need_program
from testkit.real.plain_qemu import QEMU, PlainQemu, plain_qemu
from testkit.until import until

ROOT = Path(__file__).parents[2]

CPU = 0.75
"""Of one CPU: what docs/security.md allows four users (half a second of a scan each, and queries)."""
MEMORY = 64 << 20
"""Bytes more than without the floods: 2,048 devices of a user, and 8 answers of 1 MiB."""
THREADS = 4 + 3 * 8
"""Four of our own, and one for each query that is about to connect: 8 of a user."""

Second = dict[str, Any]


@pytest.fixture(autouse=True)
def real_qemu() -> None:
    need_program(QEMU)


@contextmanager
def observer(name: str, which: str) -> Iterator[Iterator[Second]]:
    """What a root process that follows the host sees, second by second."""
    command = [sys.executable, "-m", "testkit.real.observer", name, which]
    with Popen(command, stdout=PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield map(json.loads, process.stdout)
        finally:
            process.kill()


def settled(seconds: Iterator[Second]) -> Second:
    """The first second in which all rows are there, and QEMU has answered."""
    for second in seconds:
        if len(second["rows"]) == 1 and "raw0 ok" in str(second["rows"]):
            return second
    raise AssertionError("the observer has ended")


def check(before: Second, during: list[Second]) -> None:
    assert {str(rows) for second in during for rows in second["rows"]} == {str(before["rows"][0])}
    assert statistics.mean(second["cpu"] for second in during) < CPU
    assert max(second["memory"] for second in during) < before["memory"] + MEMORY
    assert max(second["threads"] for second in during) <= THREADS
    # A new plan opens what its rows read before it takes the old one's place, maybe in the next second.
    for second, following in pairwise([*during, during[-1]]):
        assert second["descriptors"] < before["descriptors"] + 2 * max(second["all"], following["all"])
    assert all(len(second["problems"]) <= 21 for second in during)


def check_reports(reports: list[str], name: str) -> None:
    first, *others = (identities(report, name) for report in reports)
    assert len(first) == 4
    assert others == [first] * len(others)


def identities(report: str, name: str) -> list[str]:
    """The domain's rows in a report, in their order, without numbers."""
    tables = json.loads(report)
    rows = [row for table in ("block", "interface") for row in tables[table] if row["domain"] == name]
    return [re.sub(r": -?[0-9][0-9.e+-]*", ": 0", json.dumps(row)) for row in rows]


def flooded(qemu: PlainQemu, tmp_path: Path, folder: Path, length: int, measured: Measured) -> None:
    """An observer and the command, both of root, without the floods and beside them."""
    command = [*COMMAND, "-y", "--json", "--vmm", *VMMS, "--qemu-interval", "1", "1"]
    with (
        observer(qemu.name, "all") as seconds,
        (tmp_path / "reports").open("w+") as reports,
        (tmp_path / "warnings").open("w+") as warnings,
        Popen(command, stdout=reports, stderr=warnings, cwd=ROOT) as process,
        ExitStack() as stack,
    ):
        stack.callback(process.kill)
        before = settled(seconds)
        until(lambda: Path(reports.name).read_text().count("\n") > 1)
        with flood(folder):
            ready = time.monotonic()
            during = list(takewhile(lambda second: second["ended"] < ready + length, seconds))
            # On a busy machine its scan may take longer than that.
            until(lambda: "run no VMM that is installed" in Path(warnings.name).read_text(), 60.0, 0.1)
        process.send_signal(signal.SIGINT)
        process.wait(10)
        said = Path(warnings.name).read_text().splitlines()
        printed = Path(reports.name).read_text().splitlines()
    most = {name: max(second[name] for second in during) for name in ("all", "cpu", "memory", "threads", "descriptors")}
    measured(f"floods of {length} s: {most}, on average {statistics.mean(second['cpu'] for second in during):.2f} CPU")
    assert during[-1]["all"] > 200, "the floods are there"
    check(before, during)
    assert len(printed) > length / 2
    check_reports(printed, qemu.name)
    kinds = [re.sub(r"[0-9]+", "", line) for line in said if "a scan has been in progress" not in line]
    assert len(kinds) == len(set(kinds)), said


@pytest.mark.alone
def test_an_honest_vm_s_rows_stay_and_the_cost_has_limits(tmp_path: Path, everybodys: Path, measured: Measured) -> None:
    with plain_qemu("honest", tmp_path) as qemu:
        flooded(qemu, tmp_path, everybodys, 16, measured)


@contextmanager
def busy_processes() -> Iterator[None]:
    """As many as the floods have that run: four that send events, and the one that starts others."""
    with ExitStack() as stack:
        for _ in range(5):
            process = stack.enter_context(Popen([sys.executable, "-ISc", "while True: pass"]))
            stack.callback(process.kill)
        yield


@pytest.mark.alone
@pytest.mark.timing
def test_floods_delay_a_poll_no_more_than_busy_processes_do(
    tmp_path: Path, everybodys: Path, measured: Measured
) -> None:
    """All have the same priority, and delay polls one after the other: so does whatever else the machine does, and on a
    busy one it takes more rounds.
    """
    busy: list[float] = []
    flooded: list[float] = []
    without = beside = 0.0
    with plain_qemu("honest", tmp_path) as qemu, observer(qemu.name, "only") as seconds:
        settled(seconds)
        for number in range(4):
            (folder := everybodys / str(number)).mkdir()
            for slowest, delaying in ((busy, busy_processes()), (flooded, flood(folder))):
                with delaying:
                    ready = time.monotonic()
                    during = (second["slowest"] for second in seconds if second["ended"] > ready + 1.0)
                    slowest += islice(during, 5)
            without, beside = statistics.median(busy), statistics.median(flooded)
            if number > 0 and beside < 1.5 * without:
                break
    measured(
        f"slowest poll of a second: {without * 1e6:.0f} us beside busy processes, {beside * 1e6:.0f} us beside floods"
    )
    assert beside < 1.5 * without, (busy, flooded)
