"""Queries of QEMUs, some of which do not answer: these affect their own disks only."""

import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from testkit.fakes import qemu as fake_qemu
from testkit.fakes.qemu import Serve
from testkit.fakes.queried_qemus import DEADLINE, QueriedQemus, open_files, states
from testkit.until import until
from vmiostat.qemu_stats import query_loop, query_state
from vmiostat.qemu_stats.query_thread import OnDemand


@pytest.mark.parametrize("serve", [None, fake_qemu.byte_by_byte])
def test_an_answer_becomes_a_row(qemus: QueriedQemus, serve: Serve | None) -> None:
    qemu = qemus.qemu("a", serve)
    sizes = {"libvirt-1-format": 1 << 30, "libvirt-1-storage": 4096}
    qemu.images = [{"node-name": name, "image": {"virtual-size": size}} for name, size in sizes.items()]
    poller = qemus.poller()
    row = poller.poll().block[0]
    assert (row.state, row.time_ns, row.generation, row.rd_req) == ("stale", -1, -1, -1)
    before = time.monotonic_ns()
    assert qemus.query_thread().query(5.0)
    row = poller.poll().block[0]
    assert before < row.time_ns < time.monotonic_ns()
    assert (row.state, row.generation, row.rd_req, row.errs, row.in_flight) == ("ok", 0, 100, -1, -1)
    assert (row.allocation, row.capacity, row.physical) == (1100, 1 << 30, 4096)
    assert qemu.commands == ["qmp_capabilities", "query-blockstats", "query-named-block-nodes"]
    assert poller.poll().block[0].time_ns == row.time_ns, "the time of the answer, not of the poll"


def test_sizes_are_queried_seldom_and_carried_over(qemus: QueriedQemus) -> None:
    qemu = qemus.qemu("a")
    qemu.images = [{"node-name": "libvirt-1-format", "image": {"virtual-size": 7}}]
    thread, poller = qemus.query_thread(), qemus.poller()
    assert all(thread.query(5.0) for _ in range(3))
    assert qemu.commands.count("query-blockstats") >= 3
    assert qemu.commands.count("query-named-block-nodes") == 1
    assert poller.poll().block[0].capacity == 7


LEFT_ALONE = "; it is not queried for 2 s"
TOO_MUCH = rf"(it sent a line of more than (1 MiB|64 KiB)|no answer within 0.3 s|.* of CPU time){LEFT_ALONE}"
"""Whichever comes first."""

MISBEHAVIOUR: list[tuple[Serve, str]] = [
    (fake_qemu.never_greet, "no answer within 0.3 s"),
    (fake_qemu.never_answer, "no answer within 0.3 s"),
    (fake_qemu.hang_up, "it closed the connection without an answer"),
    (fake_qemu.send(b"hello\n"), "it sent invalid JSON: 'hello'"),
    (fake_qemu.never_stop, f"it sent more than 100 events during a query{LEFT_ALONE}"),
    (fake_qemu.endless_line, TOO_MUCH),
    (fake_qemu.refuse, r"it refused query-blockstats: .a guest's .x1b\[31mname."),
]


@pytest.mark.parametrize(("serve", "why"), MISBEHAVIOUR)
def test_a_qemu_without_an_answer_affects_its_own_row_only(qemus: QueriedQemus, serve: Serve, why: str) -> None:
    qemus.qemu("bad", serve)
    qemus.qemu("good")
    poller = qemus.poller()
    assert qemus.query_thread().query(10.0)
    assert states(poller) == ["stale", "ok"]
    assert re.fullmatch(f"QMP /run/bad: ({why})", str(poller.problem("block", 0)))
    assert poller.problem("block", 1) is None


def test_an_unknown_disk_is_a_problem_of_its_row(qemus: QueriedQemus) -> None:
    qemus.qemu("a").disks = [fake_qemu.disk("other", 1)]
    poller = qemus.poller()
    assert qemus.query_thread().query(5.0)
    assert states(poller) == ["stale"]
    assert "it has no disk 'virtio-disk0' or 'vda'" in str(poller.problem("block", 0))


def test_an_answer_stays_and_becomes_stale(qemus: QueriedQemus) -> None:
    qemu = qemus.qemu("a")
    thread, poller = qemus.query_thread(0.1), qemus.poller()
    until(lambda: states(poller) == ["ok"])
    qemu.serve = fake_qemu.never_answer
    until(lambda: states(poller) == ["stale"])
    old = poller.poll()
    assert (old.block[0].rd_req, old.block[0].generation) == (100, 0)
    assert time.monotonic_ns() - old.block[0].time_ns > 0.2e9 + DEADLINE * 1e9
    qemu.serve, qemu.disks = fake_qemu.answer, [fake_qemu.disk("virtio-disk0", 1100)]
    qemu.go_on.set()
    until(lambda: states(poller) == ["ok"])
    new = poller.poll()
    rate = new.rates(old).block[0]
    passed = (new.block[0].time_ns - old.block[0].time_ns) / 1e9
    assert rate.state == "ok"
    assert rate.interval == pytest.approx(passed)
    assert rate.rd_req == pytest.approx(1000 / passed)
    thread.close()


def test_no_second_query_while_one_is_unanswered(qemus: QueriedQemus) -> None:
    bad, good = qemus.qemu("bad", fake_qemu.never_greet), qemus.qemu("good")
    poller = qemus.poller()
    qemus.query_thread(0.05)
    until(lambda: good.clients > 30)
    assert bad.clients == 1
    with socket.socket(socket.AF_UNIX) as other_client:
        other_client.setblocking(False)
        other_client.connect(str(bad.path))  # there is room for other clients to wait
    bad.serve = fake_qemu.answer
    bad.go_on.set()
    until(lambda: states(poller) == ["ok", "ok"])


def test_a_late_answer_is_taken(qemus: QueriedQemus) -> None:
    bad = qemus.qemu("bad", fake_qemu.answer_late)
    thread, poller = qemus.query_thread(), qemus.poller()
    assert thread.query(5.0)
    assert states(poller) == ["stale"]
    assert thread.query(5.0), "an overdue query has failed already"
    before = time.monotonic_ns()
    bad.go_on.set()
    until(lambda: states(poller) == ["ok"])
    assert poller.poll().block[0].time_ns > before
    assert poller.problem("block", 0) is None
    assert bad.clients == 1


def test_a_qemu_that_refuses_is_queried_less_often(qemus: QueriedQemus) -> None:
    bad, good = qemus.qemu("bad", fake_qemu.hang_up), qemus.qemu("good")
    qemus.query_thread(0.05)
    until(lambda: good.clients >= 50)
    assert 3 < bad.clients < good.clients / 3


def test_a_qemu_that_refuses_is_queried_less_often_on_demand(qemus: QueriedQemus) -> None:
    bad, good = qemus.qemu("bad", fake_qemu.hang_up), qemus.qemu("good")
    thread, poller = qemus.query_thread(), qemus.poller()
    clients = []
    for _ in range(30):
        assert thread.query(5.0)
        clients.append(bad.clients)
        assert states(poller) == ["stale", "ok"]
    assert good.clients == 30
    assert [clients.index(number) + 1 for number in range(1, bad.clients + 1)] == [1, 3, 7, 13, 19, 25]
    bad.serve = fake_qemu.answer
    until(lambda: thread.query(5.0) and states(poller) == ["ok", "ok"])
    assert all(thread.query(5.0) for _ in range(5))
    assert bad.clients == 6 + 1 + 5


@pytest.mark.parametrize("interval", [0.05, "on demand"])
def test_a_qemu_that_exceeds_its_budget_is_left_alone_for_longer_each_time(
    qemus: QueriedQemus, interval: float | OnDemand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query_state, "FIRST_LEFT_ALONE", 0.2)
    bad, good = qemus.qemu("bad", fake_qemu.never_stop), qemus.qemu("good")
    thread = qemus.query_thread(interval)
    seconds: list[float] = []
    for _ in range(3):
        seconds.append(until(lambda: thread.query(5.0) and bad.clients > len(seconds)))
    clients = good.clients
    assert seconds[1] > 0.9 * 0.2
    assert seconds[2] > 0.9 * 0.4
    assert re.search("it is not queried for 0.8 s", qemus.latest_stats["bad"].problem or "")
    bad.serve = fake_qemu.answer
    until(lambda: thread.query(5.0) and qemus.latest_stats["bad"].problem is None)
    assert good.clients > clients > 3


def test_a_qemu_that_sends_bytes_one_by_one_without_end(qemus: QueriedQemus, monkeypatch: pytest.MonkeyPatch) -> None:
    def dribble(_: fake_qemu.FakeQemu, client: socket.socket) -> None:
        while True:
            client.sendall(b" ")

    monkeypatch.setattr(query_loop, "_CPU_TIME", 0.02)
    qemus.qemu("bad", dribble)
    thread = qemus.query_thread()
    until(lambda: thread.query(5.0) and "of CPU time" in (qemus.latest_stats["bad"].problem or ""))


def test_queries_on_demand_do_not_delay_those_that_are_due(qemus: QueriedQemus) -> None:
    qemu = qemus.qemu("a")
    thread = qemus.query_thread(0.2)
    # If each of these put off the next due time by an interval, that would be 30 seconds away.
    assert all(thread.query(5.0) for _ in range(150))
    clients = qemu.clients
    assert until(lambda: qemu.clients >= clients + 5) > 4 * 0.2 * 0.9


def test_many_queries_on_demand_leave_few_timers(qemus: QueriedQemus) -> None:
    qemus.qemu("a")
    thread = qemus.query_thread(3600.0)
    assert all(thread.query(5.0) for _ in range(50))
    time.sleep(3 * DEADLINE)  # the deadlines pass
    assert thread.query(5.0)
    assert thread._loop is not None
    assert len(thread._loop._timers) < 5


@pytest.mark.parametrize("interval", [1e7, 1e300])
def test_an_interval_longer_than_select_can_wait(qemus: QueriedQemus, interval: float) -> None:
    qemu = qemus.qemu("a")
    thread, poller = qemus.query_thread(interval), qemus.poller()
    until(lambda: states(poller) == ["ok"])
    assert thread.query(5.0)
    time.sleep(3 * DEADLINE)  # until the interval is the next timer; a thread that fails would say so
    assert (states(poller), poller.problem("block", 0), qemu.clients) == (["ok"], None, 2)


def test_stuck_qemus_do_not_keep_the_others_from_being_queried(qemus: QueriedQemus) -> None:
    stuck = [qemus.qemu(f"bad{number}", fake_qemu.never_answer) for number in range(40)]
    good = qemus.qemu("good")
    qemus.query_thread(0.1)
    until(lambda: all(qemu.clients for qemu in stuck))
    until(lambda: all(latest.problem for name, latest in qemus.latest_stats.items() if name != "good"))
    clients = good.clients
    until(lambda: good.clients > clients + 10)


OTHER_PROCESS = """
import sys
from pathlib import Path
from testkit.fakes import qemu as fake_qemu
fake_qemu.FIRST = 5000
with fake_qemu.running(Path(sys.argv[1])):
    sys.stdin.read()
"""


def test_another_run_of_qemu_is_another_device(qemus: QueriedQemus) -> None:
    qemu = qemus.qemu("a")
    thread, poller = qemus.query_thread(), qemus.poller()
    assert thread.query(5.0)
    before = poller.poll()
    qemu.close()
    qemu.path.unlink()
    command = [sys.executable, "-c", OTHER_PROCESS, str(qemu.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, cwd=Path(__file__).parents[2]):
        until(lambda: thread.query(5.0) and states(poller) == ["ok"], 30.0)
        after = poller.poll()
    assert (after.block[0].rd_req, after.block[0].generation) == (5000, 1)
    assert after.rates(before).block[0].state == "replaced"


def test_the_clients_change(qemus: QueriedQemus) -> None:
    first, second = qemus.qemu("first"), qemus.qemu("second")
    thread = qemus.query_thread(0.05)
    until(lambda: first.clients > 2 and second.clients > 2)
    thread.set_clients([qemus.clients["second"]])
    time.sleep(0.2)
    clients = first.clients
    until(lambda: second.clients > 20)
    assert first.clients == clients
    thread.set_clients([])
    assert thread.query(5.0), "there is no client to wait for"


def test_close_leaves_nothing_behind(qemus: QueriedQemus) -> None:
    descriptors = open_files()
    qemu = qemus.qemu("bad", fake_qemu.never_answer)
    listening = open_files() - descriptors
    thread = qemus.query_thread(0.05)
    until(lambda: qemu.clients)
    thread.close()
    thread.close()
    assert not any(thread.name == "vmiostat-query" for thread in threading.enumerate())
    until(lambda: len(open_files() - descriptors - listening) <= 1)  # the connection that the fake has accepted
    start = time.monotonic()
    assert not thread.query(100.0)
    assert time.monotonic() - start < 50.0, "a closed thread is not waited for"
    thread.set_clients(qemus.clients.values())
