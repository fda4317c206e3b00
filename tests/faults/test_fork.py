"""A fork of a process that has a Poller: the fork may not use it, can have one of its own, and the first goes on."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from testkit.counters_of import counters_of
from testkit.fakes import qemu as fake_qemu
from testkit.fork import in_a_fork
from testkit.real.domain import write_domain
from testkit.real.machine import Machine
from vmiostat import BlockStats, Host, InterfaceStats, Poller, Roots, Sample
from vmiostat._core import LatestStats
from vmiostat.counter_sources import InterfaceSource
from vmiostat.qemu_stats.qmp_client import QmpClient
from vmiostat.qemu_stats.query_thread import QueryThread

FORKS = 6
WAYS: list[tuple[InterfaceSource, bool]] = [
    ("proc", False),
    ("sysfs", False),
    ("netlink", False),
    ("auto", False),
    ("auto", True),  # a thread asks netlink, and does not come along into a fork
]


def numbers(sample: Sample) -> list[tuple[int, ...]]:
    """All counters of the rows that have them."""
    rows = [*sample.block, *sample.interface]
    return [counters_of(row) if row.state == "ok" else () for row in rows]


def check_refused(poller: Poller) -> None:
    calls: list[Callable[[], object]] = [
        poller.poll,
        poller.reopen,
        poller.explain,
        lambda: poller.poll_into(interface=bytearray(InterfaceStats.SIZE * poller.interface_rows)),
        lambda: poller.poll_into(block=bytearray(BlockStats.SIZE * poller.block_rows)),
        lambda: poller.problem("block", 0),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="opened before a fork, in another process: open one in this process"):
            call()


@pytest.mark.parametrize(("source", "is_many"), WAYS)
def test_a_fork_has_to_open_its_own(machine: Machine, many: Path, source: InterfaceSource, *, is_many: bool) -> None:
    host = Host(xml=many if is_many else machine.xml, sys=machine.sys)
    poller = host.poller(interface_source=source)
    expected = numbers(poller.poll())
    stop, polls, wrong = threading.Event(), 0, []

    def poll() -> None:
        nonlocal polls
        while not stop.is_set():
            found = numbers(poller.poll())
            polls += 1
            if found != expected:
                wrong.append(found)

    def fork() -> None:
        check_refused(poller)
        poller.close()
        assert poller.closed
        with host.poller(interface_source=source) as own:
            for _ in range(3):
                assert numbers(own.poll()) == expected
            in_a_fork(lambda: check_refused(own))

    threads = [threading.Thread(target=poll) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(FORKS):
            in_a_fork(fork)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not wrong
    assert polls > FORKS
    assert numbers(poller.poll()) == expected
    poller.close()


def test_a_watch_and_what_follows_it_are_closed_in_a_fork(machine: Machine) -> None:
    with Host(xml=machine.xml, sys=machine.sys).follow() as poller:
        rows, watch = poller.interface_rows, poller.watch
        assert watch is not None

        def fork() -> None:
            check_refused(poller)
            assert watch.closed
            assert not watch.wait(watch.changes)
            assert [domain.name for domain in watch.domains] == [domain.name for domain in poller.domains]
            poller.close()

        for _ in range(FORKS):
            in_a_fork(fork)
        start, spent = time.monotonic(), time.process_time()
        time.sleep(0.5)
        # The thread is not woken again and again.
        assert time.process_time() - spent < (time.monotonic() - start) / 2
        # And still tells of changes.
        changes = watch.changes
        write_domain(machine.xml, "guest", bridge=["tap0"])
        assert watch.wait(changes, timeout=10)
        assert poller.interface_rows < rows


def test_a_fork_sends_no_queries(tmp_path: Path) -> None:
    with fake_qemu.running(tmp_path / "qmp") as qemu:
        thread = QueryThread("on demand", 5.0)
        thread.set_clients([QmpClient("/qmp", Roots(tmp_path), {LatestStats("QMP /qmp"): ("virtio-disk0",)})])
        assert thread.query(5.0)

        def fork() -> None:
            assert not thread.query(1.0)
            thread.close()

        for _ in range(FORKS):
            in_a_fork(fork)
            commands = len(qemu.commands)
            assert thread.query(5.0)
            assert len(qemu.commands) > commands
        thread.close()


def test_a_fork_in_the_middle_of_a_new_plan_waits_for_nobody() -> None:
    """Who held the plan's lock at that time is not in the fork."""
    stop = threading.Event()
    with Poller(Roots(), [("web1", "vda", None)], []) as poller:

        def replan() -> None:
            while not stop.is_set():
                poller.replan([("web1", "vda", None)], [], [0], [])

        def use() -> None:
            with pytest.raises(ValueError, match="before a fork"):
                poller.poll()
            with pytest.raises(ValueError, match="before a fork"):
                poller.replan([], [], [], [])
            assert poller.block_rows in (0, 1)
            poller.close()
            assert poller.closed

        thread = threading.Thread(target=replan)
        thread.start()
        try:
            for _ in range(200):
                in_a_fork(use)
        finally:
            stop.set()
            thread.join()
