"""Disks that libvirt is asked about, whatever becomes of the daemon and of the domains. tests/kvm asks a real one."""

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testkit.fakes.libvirt import Daemon, Libvirt, LibvirtError, uuid
from testkit.trees.processes import ProcessTree
from testkit.until import until
from vmiostat import Poller, Roots
from vmiostat._core import LatestStats
from vmiostat.counter_sources import VmmReported
from vmiostat.model import Process
from vmiostat.qemu_stats.libvirt_block_stats import counters_by_target
from vmiostat.qemu_stats.libvirt_client import AT_ONCE, IN_ALL, LibvirtClient, LibvirtStats
from vmiostat.qemu_stats.query_thread import OnDemand, QueryThread

URI = "qemu:///system"
DEADLINE = 0.3

VDA = {
    "block.count": 2,
    "block.0.name": "vda",
    "block.0.path": "/images/web1.qcow2",
    "block.0.rd.reqs": 11,
    "block.0.rd.bytes": 12,
    "block.0.rd.times": 13,
    "block.0.wr.reqs": 14,
    "block.0.wr.bytes": 15,
    "block.0.wr.times": 16,
    "block.0.fl.reqs": 17,
    "block.0.fl.times": 18,
    "block.0.allocation": 19,
    "block.0.capacity": 20,
    "block.0.physical": 21,
    "block.1.name": "hdc",
    "block.1.rd.reqs": 0,
}


@pytest.fixture
def daemon(libvirt: Libvirt) -> Daemon:
    return libvirt.daemon


@pytest.fixture
def machine(tmp_path: Path) -> ProcessTree:
    tree = ProcessTree(tmp_path)
    tree.write("proc/sys/kernel/hostname", "kvm1\n")
    return tree


@contextmanager
def asking(
    daemon: Daemon, roots: Roots, count: int, interval: float | OnDemand
) -> Iterator[tuple[QueryThread, Poller]]:
    """Domains 1 to `count`, each with a disk, all of them asked by way of libvirt."""
    stats = LibvirtStats(URI, roots)
    reports = [LatestStats("libvirt") for _ in range(count)]
    rounds = QueryThread(interval, DEADLINE)
    for number in range(1, count + 1):
        daemon.start(number, f"vm{number}")
        daemon.stats.setdefault(number, VDA)
    try:
        rounds.set(
            LibvirtClient(stats, uuid(number), Process(100 + number), {report: "vda"})
            for number, report in enumerate(reports, 1)
        )
        with Poller(
            roots, [(f"vm{n}", "vda", VmmReported(report)) for n, report in enumerate(reports, 1)], []
        ) as poller:
            yield rounds, poller
    finally:
        rounds.close()
        stats.end()
        daemon.answer(*daemon.stuck)


def states(poller: Poller) -> list[str]:
    return [row.state for row in poller.poll().block]


def test_what_libvirt_tells() -> None:
    found = counters_by_target(VDA)
    assert found == {
        "vda": {
            "rd_req": 11,
            "rd_bytes": 12,
            "rd_time": 13,
            "wr_req": 14,
            "wr_bytes": 15,
            "wr_time": 16,
            "fl_req": 17,
            "fl_time": 18,
            "allocation": 19,
            "capacity": 20,
            "physical": 21,
        },
        "hdc": {"rd_req": 0},
    }


@pytest.mark.parametrize(
    "stats",
    [
        {},
        {"block.count": 1, "block.0.name": "vda"},
        {"block.0.rd.reqs": 7},
        {"net.0.name": "vda", "net.0.rd.reqs": 7},
        {"block.0.name": 7, "block.0.rd.reqs": 7},
        {"block.0.name": "vda", "block.0.rd.reqs": -1},
        {"block.0.name": "vda", "block.0.rd.reqs": 1 << 63},
        {"block": 1, "block.": 2, "block..": 3, "": 4},
    ],
)
def test_what_tells_nothing(stats: dict[str, object]) -> None:
    assert counters_by_target(stats) == {}


def test_an_answer_becomes_a_row(daemon: Daemon, machine: ProcessTree) -> None:
    with asking(daemon, machine.roots, 1, "on demand") as (rounds, poller):
        assert rounds.ask(5.0)
        row = poller.poll().block[0]
        assert (row.state, row.rd_req, row.fl_time, row.allocation, row.physical) == ("ok", 11, 18, 19, 21)
        assert (row.ds_req, row.wr_highest, row.rd_failed) == (-1, -1, -1), "libvirt drops them"


def test_a_busy_domain_has_no_counters(daemon: Daemon, machine: ProcessTree) -> None:
    daemon.stats[1] = {"block.count": 1, "block.0.name": "vda"}
    with asking(daemon, machine.roots, 1, "on demand") as (rounds, poller):
        assert rounds.ask(5.0)
        assert states(poller) == ["stale"]
        assert "it has no counters of 'vda'" in str(poller.problem("block", 0))


def test_the_first_questions_wait_for_the_connection(daemon: Daemon, machine: ProcessTree) -> None:
    daemon.stuck.add("open")
    with asking(daemon, machine.roots, 4, "on demand") as (rounds, poller):
        opened = threading.Timer(DEADLINE / 2, lambda: daemon.answer("open"))
        opened.start()
        assert rounds.ask(5.0)
        opened.join()
        assert states(poller) == ["ok"] * 4
    assert daemon.asked["open"] == 1


def test_an_error_is_the_row_s(daemon: Daemon, machine: ProcessTree) -> None:
    daemon.errors[f"stats {uuid(2)}"] = LibvirtError("Timed out during operation: cannot acquire state change lock", 68)
    with asking(daemon, machine.roots, 2, "on demand") as (rounds, poller):
        assert rounds.ask(5.0)
        assert states(poller) == ["ok", "stale"]
        assert str(poller.problem("block", 1)).startswith("libvirt: Timed out during operation")


@pytest.mark.parametrize("state", ["T", "t", "D"])
def test_one_that_stands_still_is_not_asked(daemon: Daemon, machine: ProcessTree, state: str) -> None:
    machine.process(101, ["qemu-system-x86_64"], state=state)
    with asking(daemon, machine.roots, 2, "on demand") as (rounds, poller):
        assert rounds.ask(5.0)
        assert states(poller) == ["stale", "ok"]
        assert "was not asked, since the QEMU (process 101) " in str(poller.problem("block", 0))
    assert daemon.asked[f"stats {uuid(1)}"] == 0


def test_one_stuck_domain_costs_its_own_row(daemon: Daemon, machine: ProcessTree) -> None:
    with asking(daemon, machine.roots, 5, 0.1) as (_, poller):
        until(lambda: set(states(poller)) == {"ok"})
        daemon.stuck.add(f"stats {uuid(1)}")
        until(lambda: states(poller)[0] == "stale")
        asked = daemon.asked[f"stats {uuid(1)}"]
        time.sleep(1.0)
        assert states(poller) == ["stale", "ok", "ok", "ok", "ok"]
        assert daemon.asked[f"stats {uuid(1)}"] == asked, "no second question while one is unanswered"
        daemon.answer(f"stats {uuid(1)}")
        until(lambda: set(states(poller)) == {"ok"})


def stats_of(*numbers: int) -> set[str]:
    return {f"stats {uuid(number)}" for number in numbers}


@pytest.mark.parametrize("stuck", [4, 7])
def test_those_that_get_stuck_together_starve_nobody(daemon: Daemon, machine: ProcessTree, stuck: int) -> None:
    with asking(daemon, machine.roots, stuck + 6, 0.1) as (_, poller):
        until(lambda: set(states(poller)) == {"ok"})
        daemon.stuck |= stats_of(*range(1, stuck + 1))
        until(lambda: states(poller)[:stuck] == ["stale"] * stuck)
        end = time.monotonic() + 2.0
        while time.monotonic() < end:
            assert states(poller)[stuck:] == ["ok"] * 6
            time.sleep(0.02)
        assert daemon.most_out <= IN_ALL
        assert daemon.most_out_of_one <= AT_ONCE
        daemon.answer(*stats_of(*range(1, stuck + 1)))
        until(lambda: set(states(poller)) == {"ok"})


def test_no_more_calls_are_out_than_that(daemon: Daemon, machine: ProcessTree) -> None:
    daemon.stuck |= stats_of(*range(1, 21))
    with asking(daemon, machine.roots, 20, 0.1) as (_, poller):
        time.sleep(1.5)
        assert daemon.most_out == IN_ALL
        assert daemon.most_out_of_one == AT_ONCE
        problems = [str(poller.problem("block", row)) for row in range(20)]
        assert sum(problem == "libvirt: no answer within 0.3 s" for problem in problems) == IN_ALL
        assert problems.count("libvirt: it was not asked for 0.6 s, since too many others do not answer") == 20 - IN_ALL
        daemon.answer(*stats_of(*range(1, 21)))
        until(lambda: set(states(poller)) == {"ok"})


def test_on_demand_nobody_waits_long_for_others_that_are_stuck(daemon: Daemon, machine: ProcessTree) -> None:
    daemon.stuck |= stats_of(*range(1, 5))
    with asking(daemon, machine.roots, 10, "on demand") as (rounds, poller):
        assert rounds.ask(5.0)
        assert states(poller) == ["stale"] * 4 + ["ok"] * 6
        daemon.stuck |= stats_of(*range(1, 11))
        assert rounds.ask(5.0)
        assert states(poller) == ["stale"] * 10
        assert all(poller.problem("block", row) for row in range(10))
        time.sleep(DEADLINE)
        start = time.monotonic()
        assert rounds.ask(5.0), "they have been told already"
        assert time.monotonic() - start < 0.2


def test_a_disk_that_comes_while_a_call_is_out(daemon: Daemon, machine: ProcessTree) -> None:
    daemon.stuck |= stats_of(1)
    with asking(daemon, machine.roots, 1, 0.1) as (rounds, poller):
        until(lambda: poller.problem("block", 0) is not None)
        stats = LibvirtStats(URI, machine.roots)
        first, second = LatestStats("libvirt"), LatestStats("libvirt")
        rounds.set([LibvirtClient(stats, uuid(1), None, {first: "vda"})])
        until(lambda: first.problem == "no answer within 0.3 s")
        rounds.set([LibvirtClient(stats, uuid(1), None, {first: "vda", second: "hdc"})])
        until(lambda: second.problem == "its last question has no answer yet")
        daemon.answer(*stats_of(1))
        until(lambda: second.problem is None)
        stats.end()


def test_a_moment_in_the_kernel_is_no_standstill(daemon: Daemon, machine: ProcessTree) -> None:
    machine.process(101, ["qemu-system-x86_64"], state="D")
    stat = machine.root / "proc/101/stat"
    waits = stat.read_bytes()
    with asking(daemon, machine.roots, 1, "on demand") as (rounds, poller):
        writes = threading.Timer(0.03, lambda: stat.write_bytes(waits.replace(b") D ", b") S ")))
        writes.start()
        assert rounds.ask(5.0)
        writes.join()
        assert states(poller) == ["ok"]


def test_a_connection_that_is_lost_is_opened_again(daemon: Daemon, machine: ProcessTree) -> None:
    with asking(daemon, machine.roots, 2, 0.1) as (_, poller):
        until(lambda: states(poller) == ["ok", "ok"])
        daemon.die()
        until(lambda: states(poller) == ["stale", "stale"])
        daemon.refusal = None
        until(lambda: states(poller) == ["ok", "ok"])


def test_a_daemon_that_does_not_let_in(daemon: Daemon, machine: ProcessTree) -> None:
    daemon.stuck.add("open")
    with asking(daemon, machine.roots, 9, "on demand") as (rounds, poller):
        assert rounds.ask(5.0)
        assert set(states(poller)) == {"stale"}
        until(lambda: "the connection is not open" in str(poller.problem("block", 3)))
        start = time.monotonic()
        rounds.close()
        assert time.monotonic() - start < 0.5


def test_a_late_answer_after_the_end_is_nobody_s(daemon: Daemon, machine: ProcessTree) -> None:
    daemon.stuck.add(f"stats {uuid(1)}")
    roots = machine.roots
    before = open_files()
    with asking(daemon, roots, 1, "on demand") as (rounds, _):
        assert rounds.ask(5.0)
    until(lambda: not any(thread.name == "vmiostat-libvirt" for thread in threading.enumerate()))
    until(lambda: not open_files() - before)


def open_files() -> Counter[str]:
    """What is open, but for the listing itself."""
    return Counter(str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink())


PROGRAM = """
import sys, time
from pathlib import Path
from testkit.fakes.libvirt import Libvirt
from testkit.trees.processes import ProcessTree
from tests.libvirt.test_libvirt_block import asking

libvirt = sys.modules["libvirt"] = Libvirt()
libvirt.daemon.stuck = {sys.argv[2]}
libvirt.daemon.answer = lambda *_: None
with asking(libvirt.daemon, ProcessTree(Path(sys.argv[1])).roots, 3, 0.1):
    time.sleep(0.5)
print("closed", flush=True)
"""


@pytest.mark.parametrize("stuck", ["open", f"stats {uuid(1)}", "close"])
def test_the_process_ends(tmp_path: Path, stuck: str) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), stuck]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "closed\n"
        start = time.monotonic()
        assert process.wait(30) == 0
        assert time.monotonic() - start < 1.0
