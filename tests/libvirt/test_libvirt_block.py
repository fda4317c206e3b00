"""Queries to libvirt about disks, while its daemon or domains are stuck or fail. tests/kvm queries a real libvirtd."""

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
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
from vmiostat.qemu_stats.libvirt_client import CALLS_PER_CONNECTION, IN_FLIGHT_LIMIT, LibvirtClient, LibvirtStats
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
def querying(
    daemon: Daemon, roots: Roots, count: int, interval: float | OnDemand
) -> Iterator[tuple[QueryThread, Poller]]:
    """Domains 1 to `count`, each with a disk, all queried through libvirt."""
    stats = LibvirtStats(URI, roots)
    latest_stats = [LatestStats("libvirt") for _ in range(count)]
    thread = QueryThread(interval, DEADLINE)
    for number in range(1, count + 1):
        daemon.start(number, f"vm{number}")
        daemon.stats.setdefault(number, VDA)
    try:
        thread.set_clients(
            LibvirtClient(stats, uuid(number), Process(100 + number), {latest: "vda"})
            for number, latest in enumerate(latest_stats, 1)
        )
        rows = [(f"vm{number}", "vda", VmmReported(latest)) for number, latest in enumerate(latest_stats, 1)]
        with Poller(roots, rows, []) as poller:
            yield thread, poller
    finally:
        thread.close()
        stats.close()
        daemon.answer(*daemon.stuck)


def states(poller: Poller) -> list[str]:
    return [row.state for row in poller.poll().block]


def test_valid_stats() -> None:
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
def test_stats_without_counters(stats: dict[str, object]) -> None:
    assert counters_by_target(stats) == {}


def test_an_answer_becomes_a_row(daemon: Daemon, machine: ProcessTree) -> None:
    with querying(daemon, machine.roots, 1, "on demand") as (thread, poller):
        assert thread.query(5.0)
        row = poller.poll().block[0]
        assert (row.state, row.rd_req, row.fl_time, row.allocation, row.physical) == ("ok", 11, 18, 19, 21)
        assert (row.ds_req, row.wr_highest, row.rd_failed) == (-1, -1, -1), "libvirt drops them"


def test_a_busy_domain_has_no_counters(daemon: Daemon, machine: ProcessTree) -> None:
    daemon.stats[1] = {"block.count": 1, "block.0.name": "vda"}
    with querying(daemon, machine.roots, 1, "on demand") as (thread, poller):
        assert thread.query(5.0)
        assert states(poller) == ["stale"]
        assert "it returned no counters for 'vda'" in str(poller.problem("block", 0))


def test_the_first_queries_wait_for_the_connection(daemon: Daemon, machine: ProcessTree) -> None:
    daemon.stuck.add("open")
    with querying(daemon, machine.roots, 4, "on demand") as (thread, poller):
        opened = threading.Timer(DEADLINE / 2, lambda: daemon.answer("open"))
        opened.start()
        assert thread.query(5.0)
        opened.join()
        assert states(poller) == ["ok"] * 4
    assert daemon.calls["open"] == 1


def test_an_error_affects_its_own_row_only(daemon: Daemon, machine: ProcessTree) -> None:
    daemon.errors[f"stats {uuid(2)}"] = LibvirtError("Timed out during operation: cannot acquire state change lock", 68)
    with querying(daemon, machine.roots, 2, "on demand") as (thread, poller):
        assert thread.query(5.0)
        assert states(poller) == ["ok", "stale"]
        assert str(poller.problem("block", 1)).startswith("libvirt: Timed out during operation")


@pytest.mark.parametrize("state", ["T", "t", "D"])
def test_a_blocked_qemu_is_not_queried(daemon: Daemon, machine: ProcessTree, state: str) -> None:
    machine.process(101, ["qemu-system-x86_64"], state=state)
    with querying(daemon, machine.roots, 2, "on demand") as (thread, poller):
        assert thread.query(5.0)
        assert states(poller) == ["stale", "ok"]
        assert "not queried, because the QEMU (process 101) is " in str(poller.problem("block", 0))
    assert daemon.calls[f"stats {uuid(1)}"] == 0


def test_one_stuck_domain_affects_its_own_row_only(daemon: Daemon, machine: ProcessTree) -> None:
    with querying(daemon, machine.roots, 5, 0.1) as (_, poller):
        until(lambda: set(states(poller)) == {"ok"})
        daemon.stuck.add(f"stats {uuid(1)}")
        until(lambda: states(poller)[0] == "stale")
        queries = daemon.calls[f"stats {uuid(1)}"]
        for _ in range(5):
            until(newer_answers(poller, rows=range(1, 5)))
        assert states(poller)[0] == "stale"
        assert daemon.calls[f"stats {uuid(1)}"] == queries, "no second query while one is unanswered"
        daemon.answer(f"stats {uuid(1)}")
        until(lambda: set(states(poller)) == {"ok"})


def newer_answers(poller: Poller, rows: range) -> Callable[[], bool]:
    """True once each of these rows has a newer answer than now."""

    def times() -> list[int]:
        block = poller.poll().block
        return [block[row].time_ns for row in rows]

    before = times()
    return lambda: all(now > then for now, then in zip(times(), before, strict=True))


def stats_of(*numbers: int) -> set[str]:
    return {f"stats {uuid(number)}" for number in numbers}


@pytest.mark.parametrize("stuck", [4, 7])
def test_domains_that_get_stuck_together_do_not_starve_the_others(
    daemon: Daemon, machine: ProcessTree, stuck: int
) -> None:
    with querying(daemon, machine.roots, stuck + 6, 0.1) as (_, poller):
        until(lambda: set(states(poller)) == {"ok"})
        daemon.stuck |= stats_of(*range(1, stuck + 1))
        until(lambda: states(poller)[:stuck] == ["stale"] * stuck)
        for _ in range(10):
            until(newer_answers(poller, rows=range(stuck, stuck + 6)))
        assert states(poller)[:stuck] == ["stale"] * stuck
        assert daemon.most_in_flight <= IN_FLIGHT_LIMIT.in_total
        assert daemon.most_in_flight_of_one <= CALLS_PER_CONNECTION
        daemon.answer(*stats_of(*range(1, stuck + 1)))
        until(lambda: set(states(poller)) == {"ok"})


def test_the_in_flight_limit(daemon: Daemon, machine: ProcessTree) -> None:
    daemon.stuck |= stats_of(*range(1, 21))
    with querying(daemon, machine.roots, 20, 0.1) as (_, poller):
        until(lambda: all(poller.problem("block", row) for row in range(20)))
        in_total = IN_FLIGHT_LIMIT.in_total
        assert daemon.most_in_flight == in_total
        assert daemon.most_in_flight_of_one == CALLS_PER_CONNECTION
        problems = Counter(str(poller.problem("block", row)) for row in range(20))
        assert problems == {
            "libvirt: no answer within 0.3 s": in_total,
            "libvirt: not queried for 0.6 s, because too many other VMs do not answer": 20 - in_total,
        }
        daemon.answer(*stats_of(*range(1, 21)))
        until(lambda: set(states(poller)) == {"ok"})


def test_a_query_on_demand_does_not_wait_for_overdue_ones(daemon: Daemon, machine: ProcessTree) -> None:
    daemon.stuck |= stats_of(*range(1, 5))
    with querying(daemon, machine.roots, 10, "on demand") as (thread, poller):
        assert thread.query(5.0)
        assert states(poller) == ["stale"] * 4 + ["ok"] * 6
        daemon.stuck |= stats_of(*range(1, 11))
        assert thread.query(5.0)
        assert states(poller) == ["stale"] * 10
        assert all(poller.problem("block", row) for row in range(10))
        time.sleep(DEADLINE)
        assert thread.query(5.0), "they have failed already"


def test_a_disk_added_while_a_call_is_in_flight(daemon: Daemon, machine: ProcessTree) -> None:
    daemon.stuck |= stats_of(1)
    with querying(daemon, machine.roots, 1, 0.1) as (thread, poller):
        until(lambda: poller.problem("block", 0) is not None)
        stats = LibvirtStats(URI, machine.roots)
        first, second = LatestStats("libvirt"), LatestStats("libvirt")
        thread.set_clients([LibvirtClient(stats, uuid(1), None, {first: "vda"})])
        until(lambda: first.problem == "no answer within 0.3 s")
        thread.set_clients([LibvirtClient(stats, uuid(1), None, {first: "vda", second: "hdc"})])
        until(lambda: second.problem == "the last query has not been answered yet")
        daemon.answer(*stats_of(1))
        until(lambda: second.problem is None)
        stats.close()


def test_a_qemu_that_waits_in_the_kernel_briefly_is_not_blocked(daemon: Daemon, machine: ProcessTree) -> None:
    machine.process(101, ["qemu-system-x86_64"], state="D")
    stat = machine.root / "proc/101/stat"
    waiting = stat.read_bytes()
    with querying(daemon, machine.roots, 1, "on demand") as (thread, poller):
        change = threading.Timer(0.03, lambda: stat.write_bytes(waiting.replace(b") D ", b") S ")))
        change.start()
        assert thread.query(5.0)
        change.join()
        assert states(poller) == ["ok"]


def test_a_lost_connection_is_opened_again(daemon: Daemon, machine: ProcessTree) -> None:
    with querying(daemon, machine.roots, 2, 0.1) as (_, poller):
        until(lambda: states(poller) == ["ok", "ok"])
        daemon.die()
        until(lambda: states(poller) == ["stale", "stale"])
        daemon.refusal = None
        until(lambda: states(poller) == ["ok", "ok"])


def test_a_daemon_that_accepts_no_connection(daemon: Daemon, machine: ProcessTree) -> None:
    daemon.stuck.add("open")
    with querying(daemon, machine.roots, 9, "on demand") as (thread, poller):
        assert thread.query(5.0)
        assert set(states(poller)) == {"stale"}
        until(lambda: "the connection is not open" in str(poller.problem("block", 3)))
        thread.close()
        assert not any(one.name == "vmiostat-query" for one in threading.enumerate()), "close does not wait for libvirt"


def test_an_answer_after_close_leaves_nothing_behind(daemon: Daemon, machine: ProcessTree) -> None:
    daemon.stuck.add(f"stats {uuid(1)}")
    roots = machine.roots
    before = open_files()
    with querying(daemon, roots, 1, "on demand") as (thread, _):
        assert thread.query(5.0)
    until(lambda: not any(thread.name == "vmiostat-libvirt" for thread in threading.enumerate()))
    until(lambda: not open_files() - before)


def open_files() -> Counter[str]:
    """Files that this process has open, except the listing itself."""
    return Counter(str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink())


PROGRAM = """
import sys, time
from pathlib import Path
from testkit.fakes.libvirt import Libvirt
from testkit.trees.processes import ProcessTree
from tests.libvirt.test_libvirt_block import querying

libvirt = sys.modules["libvirt"] = Libvirt()
libvirt.daemon.stuck = {sys.argv[2]}
libvirt.daemon.answer = lambda *_: None
with querying(libvirt.daemon, ProcessTree(Path(sys.argv[1])).roots, 3, 0.1):
    time.sleep(0.5)
print("closed", flush=True)
"""


@pytest.mark.parametrize("stuck", ["open", f"stats {uuid(1)}", "close"])
def test_the_process_ends(tmp_path: Path, stuck: str) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), stuck]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "closed\n"
        assert process.wait(30) == 0
