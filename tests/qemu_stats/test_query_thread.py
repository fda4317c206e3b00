"""Rounds of questions to QEMUs of which some do not answer: those cost their own disks only."""

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import cast

import pytest

from testkit.fakes import qemu as fake_qemu
from testkit.fakes.qemu import FakeQemu, Serve
from testkit.fakes.queried_qemus import DEADLINE, Asked, open_files, states
from testkit.trees.processes import ProcessTree
from testkit.until import until
from vmiostat import Roots
from vmiostat._core import LatestStats
from vmiostat.discovery.vmm.qemu.command_line import command_line as command_line_of_qemu
from vmiostat.qemu_stats.in_flight_limit import InFlightLimit
from vmiostat.qemu_stats.qmp_client import QmpClient
from vmiostat.qemu_stats.query_thread import QueryThread
from vmiostat.system.processes import command_line, process


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    with ExitStack() as stack:
        yield Asked(tmp_path, stack)


@pytest.mark.parametrize("serve", [None, fake_qemu.byte_by_byte])
def test_an_answer_becomes_a_row(asked: Asked, serve: Serve | None) -> None:
    qemu = asked.qemu("a", serve)
    sizes = {"libvirt-1-format": 1 << 30, "libvirt-1-storage": 4096}
    qemu.images = [{"node-name": name, "image": {"virtual-size": size}} for name, size in sizes.items()]
    poller = asked.poller()
    row = poller.poll().block[0]
    assert (row.state, row.time_ns, row.generation, row.rd_req) == ("stale", -1, -1, -1)
    before = time.monotonic_ns()
    assert asked.rounds().ask(5.0)
    row = poller.poll().block[0]
    assert before < row.time_ns < time.monotonic_ns()
    assert (row.state, row.generation, row.rd_req, row.errs, row.in_flight) == ("ok", 0, 100, -1, -1)
    assert (row.allocation, row.capacity, row.physical) == (1100, 1 << 30, 4096)
    assert qemu.commands == ["qmp_capabilities", "query-blockstats", "query-named-block-nodes"]
    assert poller.poll().block[0].time_ns == row.time_ns, "the answer's own time"


def test_sizes_are_asked_seldom_and_stay(asked: Asked) -> None:
    qemu = asked.qemu("a")
    qemu.images = [{"node-name": "libvirt-1-format", "image": {"virtual-size": 7}}]
    rounds, poller = asked.rounds(), asked.poller()
    assert all(rounds.ask(5.0) for _ in range(3))
    assert qemu.commands.count("query-blockstats") >= 3
    assert qemu.commands.count("query-named-block-nodes") == 1
    assert poller.poll().block[0].capacity == 7


TOO_MUCH = "it sent (a line of )?more than [14] MiB|no answer within 0.3 s"
"""Whichever comes first."""

MISBEHAVIOUR: list[tuple[Serve, str]] = [
    (fake_qemu.never_greet, "no answer within 0.3 s"),
    (fake_qemu.never_answer, "no answer within 0.3 s"),
    (fake_qemu.hang_up, "it closed the connection without an answer"),
    (fake_qemu.say(b"hello\n"), "it sent what is no JSON: 'hello'"),
    (fake_qemu.never_stop, TOO_MUCH),
    (fake_qemu.one_line_without_end, TOO_MUCH),
    (fake_qemu.refuse, r"it refused query-blockstats: .a guest's .x1b\[31mname."),
]


@pytest.mark.parametrize(("serve", "why"), MISBEHAVIOUR)
def test_one_that_does_not_answer_costs_its_own_row(asked: Asked, serve: Serve, why: str) -> None:
    asked.qemu("bad", serve)
    asked.qemu("good")
    poller = asked.poller()
    assert asked.rounds().ask(10.0)
    assert states(poller) == ["stale", "ok"]
    assert re.fullmatch(f"QMP /run/bad: ({why})", str(poller.problem("block", 0)))
    assert poller.problem("block", 1) is None


def test_one_that_is_not_there(asked: Asked) -> None:
    asked.qemu("a").close()
    poller = asked.poller()
    assert asked.rounds().ask(5.0)
    assert "nobody listens there" in str(poller.problem("block", 0))
    (asked.folder / "run/a").unlink()
    assert asked.rounds().ask(5.0)
    assert "it cannot be connected to: No such file or directory" in str(poller.problem("block", 0))


@pytest.mark.parametrize("length", [90, 107, 255])
def test_a_name_that_is_longer_than_an_address(asked: Asked, length: int) -> None:
    name = "a" * length
    asked.qemu("short").path.rename(asked.folder / "run" / name)
    asked.named("short", name)
    assert asked.rounds().ask(5.0)
    assert states(asked.poller()) == ["ok"]


def test_a_link_to_a_socket(asked: Asked) -> None:
    asked.qemu("a")
    (asked.folder / "run/link").symlink_to("/run/a")
    asked.named("a", "link")
    assert asked.rounds().ask(5.0)
    assert states(asked.poller()) == ["ok"]


def test_a_folder_that_is_made_anew(asked: Asked) -> None:
    asked.qemu("a").close()
    rounds, poller = asked.rounds(), asked.poller()
    assert rounds.ask(5.0)
    shutil.rmtree(asked.folder / "run")
    (asked.folder / "run").mkdir()
    with fake_qemu.running(asked.folder / "run/a"):
        until(lambda: rounds.ask(5.0) and states(poller) == ["ok"])


class Machine(ProcessTree):
    """This machine with other processes than it has, and this process's number."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.link("proc/self", str(os.getpid()))

    def asker(self, path: Path, pid: int) -> QmpClient:
        roots = Roots(proc=self.root / "proc")
        found = process(pid, roots)
        told = command_line_of_qemu(command_line(pid, roots))
        return QmpClient(str(path), roots, {LatestStats("QMP"): ("virtio-disk0",)}, InFlightLimit(8), found, told)


def problem_of(asker: QmpClient) -> str | None:
    rounds = QueryThread("on demand", DEADLINE)
    rounds.set([asker])
    try:
        assert rounds.ask(5.0)
    finally:
        rounds.close()
    return asker.reports[0].problem


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_another_process_at_the_socket_is_not_believed(machine: Machine) -> None:
    machine.process(os.getpid(), ["qemu"])
    machine.process(7, ["qemu"])
    with fake_qemu.running(machine.root / "socket") as qemu:
        assert problem_of(machine.asker(qemu.path, os.getpid())) is None
        asker = machine.asker(qemu.path, 7)
        wrong = f"process {os.getpid()} listens there, and not this QEMU (process 7)"
        assert problem_of(asker) == wrong
        assert qemu.commands.count("query-blockstats") == 1
        # Once its QEMU has ended, who listens there is its next run.
        shutil.rmtree(machine.root / "proc/7")
        assert problem_of(asker) is None


A, B = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"
NEXT_RUNS = [
    (["-name", "web1"], ["-name", "web1"], None),
    (["-name", "web1"], ["-name", "db1"], "'db1' and not 'web1'"),
    (["-name", "web1"], [], None),
    (["-name", "web1", "-uuid", A], ["-name", "renamed", "-uuid", A], None),
    (["-name", "web1", "-uuid", A], ["-name", "web1", "-uuid", B], f"'{B}' and not '{A}'"),
    (["-name", "web1"], ["-name", "db1", "-uuid", B], "'db1' and not 'web1'"),
]
"""What is told of the QEMU that has ended and of the one that listens where it did; and which are not the same."""


@pytest.mark.parametrize(("before", "after", "two"), NEXT_RUNS)
def test_another_machine_s_qemu_is_not_the_next_run(
    machine: Machine, before: list[str], after: list[str], two: str | None
) -> None:
    machine.process(7, ["qemu", *before])
    machine.process(os.getpid(), ["qemu", *after])
    with fake_qemu.running(machine.root / "socket") as qemu:
        asker = machine.asker(qemu.path, 7)
        shutil.rmtree(machine.root / "proc/7")
        wrong = None if two is None else f"process {os.getpid()} listens there, which runs {two}"
        assert problem_of(asker) == wrong


def test_a_next_run_whose_command_line_is_kept_from_us_is_believed(machine: Machine) -> None:
    machine.process(7, ["qemu", "-name", "web1"])
    with fake_qemu.running(machine.root / "socket") as qemu:
        asker = machine.asker(qemu.path, 7)
        shutil.rmtree(machine.root / "proc/7")
        assert problem_of(asker) is None


def test_processes_of_another_namespace_cannot_be_compared(machine: Machine) -> None:
    machine.process(7, ["qemu"])
    (machine.root / "proc/self").unlink()
    machine.link("proc/self", "8")
    with fake_qemu.running(machine.root / "socket") as qemu:
        assert problem_of(machine.asker(qemu.path, 7)) is None


def test_a_path_is_looked_up_where_the_qemu_sees_it(machine: Machine) -> None:
    machine.process(os.getpid(), ["qemu"])
    path = machine.root / "run/a"
    inside = machine.root / "container" / path.relative_to("/")
    for made in (path, inside):
        made.parent.mkdir(parents=True)
    machine.link(f"proc/{os.getpid()}/root", str(machine.root / "container"))
    # The link is the container's own: /run there, not here.
    (machine.root / "container/link").symlink_to(path.parent)
    with fake_qemu.running(path) as outside:
        assert problem_of(machine.asker(path, os.getpid())) is None, "what is not inside is ours"
        assert outside.clients == 1
        with asked_by_a_short_path(inside) as qemu:
            assert problem_of(machine.asker(path, os.getpid())) is None
            assert problem_of(machine.asker(Path("/link/a"), os.getpid())) is None
            assert (outside.clients, qemu.clients) == (1, 2)


@contextmanager
def asked_by_a_short_path(path: Path) -> Iterator[FakeQemu]:
    """A QEMU whose socket is at a path that may be longer than an address."""
    folder = os.open(path.parent, os.O_PATH)
    try:
        with fake_qemu.running(Path(f"/proc/self/fd/{folder}/{path.name}")) as qemu:
            yield qemu
    finally:
        os.close(folder)


class HangingRoots:
    """Roots whose folder /hangs is on storage that does not answer until it is told to."""

    captured = True

    def __init__(self, roots: Roots) -> None:
        self._roots = roots
        self.go_on = threading.Event()

    def open(self, path: str) -> int:
        if path == "/hangs":
            self.go_on.wait(30)
            path = "/run"
        return self._roots.open(path)


def hanging(asked: Asked, name: str) -> HangingRoots:
    """The QEMU's socket is in that folder."""
    asked.qemu(name)
    roots = HangingRoots(asked.roots)
    names = {asked.reports[name]: ("virtio-disk0",)}
    asked.askers[name] = QmpClient(f"/hangs/{name}", cast(Roots, roots), names, asked.slots)
    return roots


def test_a_folder_that_does_not_answer_costs_its_own_row(asked: Asked) -> None:
    asked.qemu("good")
    roots = hanging(asked, "bad")
    rounds, poller = asked.rounds(0.05), asked.poller()
    until(lambda: asked.reports["bad"].problem == "no answer within 0.3 s")
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        assert states(poller) == ["ok", "stale"]
        time.sleep(0.02)
    roots.go_on.set()
    until(lambda: states(poller) == ["ok", "ok"])
    rounds.close()


def test_a_connection_that_nobody_waits_for_any_more_is_closed(asked: Asked) -> None:
    roots = hanging(asked, "bad")
    before = open_files()
    rounds = asked.rounds()
    assert rounds.ask(5.0)
    rounds.close()
    roots.go_on.set()
    until(lambda: not any(thread.name == "vmiostat-qmp" for thread in threading.enumerate()))
    until(lambda: not open_files() - before)


def test_an_unknown_disk_is_a_problem_of_its_own(asked: Asked) -> None:
    asked.qemu("a").disks = [fake_qemu.disk("other", 1)]
    poller = asked.poller()
    assert asked.rounds().ask(5.0)
    assert states(poller) == ["stale"]
    assert "it knows no disk 'virtio-disk0' or 'vda'" in str(poller.problem("block", 0))


def test_what_was_answered_stays_and_turns_stale(asked: Asked) -> None:
    qemu = asked.qemu("a")
    rounds, poller = asked.rounds(0.1), asked.poller()
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
    rounds.close()


def test_no_second_question_while_one_is_unanswered(asked: Asked) -> None:
    bad, good = asked.qemu("bad", fake_qemu.never_greet), asked.qemu("good")
    poller = asked.poller()
    asked.rounds(0.05)
    time.sleep(1.5)
    assert bad.clients == 1
    assert good.clients > 10
    with socket.socket(socket.AF_UNIX) as somebody_else:
        somebody_else.setblocking(False)
        somebody_else.connect(str(bad.path))  # there is room for others to wait, too
    bad.serve = fake_qemu.answer
    bad.go_on.set()
    until(lambda: states(poller) == ["ok", "ok"])


def test_an_answer_that_comes_late_is_taken(asked: Asked) -> None:
    bad = asked.qemu("bad", fake_qemu.answer_late)
    rounds, poller = asked.rounds(), asked.poller()
    assert rounds.ask(5.0)
    assert states(poller) == ["stale"]
    start = time.monotonic()
    assert rounds.ask(5.0), "it has failed already"
    assert time.monotonic() - start < 0.3
    before = time.monotonic_ns()
    bad.go_on.set()
    until(lambda: states(poller) == ["ok"])
    assert poller.poll().block[0].time_ns > before
    assert poller.problem("block", 0) is None
    assert bad.clients == 1


def test_one_that_refuses_is_asked_less_often(asked: Asked) -> None:
    bad = asked.qemu("bad", fake_qemu.hang_up)
    asked.rounds(0.05)
    time.sleep(2.5)
    assert 3 < bad.clients < 15, "in 50 intervals"


def test_one_that_refuses_is_asked_less_often_on_demand_too(asked: Asked) -> None:
    bad, good = asked.qemu("bad", fake_qemu.hang_up), asked.qemu("good")
    rounds, poller = asked.rounds(), asked.poller()
    clients = []
    for _ in range(30):
        assert rounds.ask(5.0)
        clients.append(bad.clients)
        assert states(poller) == ["stale", "ok"]
    assert good.clients == 30
    assert [clients.index(number) + 1 for number in range(1, bad.clients + 1)] == [1, 3, 7, 13, 19, 25]
    bad.serve = fake_qemu.answer
    until(lambda: rounds.ask(5.0) and states(poller) == ["ok", "ok"])
    assert all(rounds.ask(5.0) for _ in range(5))
    assert bad.clients == 6 + 1 + 5


def test_who_is_asked_before_the_time_is_asked_in_time_after_that(asked: Asked) -> None:
    qemu = asked.qemu("a")
    rounds = asked.rounds(0.2)
    assert all(rounds.ask(5.0) for _ in range(30))
    clients = qemu.clients
    time.sleep(1.0)
    assert qemu.clients - clients in (4, 5, 6)


def test_who_is_asked_before_the_time_however_often_is_planned_once(asked: Asked) -> None:
    asked.qemu("a")
    rounds = asked.rounds(3600.0)
    assert all(rounds.ask(5.0) for _ in range(50))
    time.sleep(3 * DEADLINE)  # the deadlines pass
    assert rounds.ask(5.0)
    assert rounds._turns is not None
    assert len(rounds._turns._times) < 5


@pytest.mark.parametrize("interval", [1e7, 1e300])
def test_an_interval_may_be_longer_than_the_kernel_can_count(asked: Asked, interval: float) -> None:
    qemu = asked.qemu("a")
    rounds, poller = asked.rounds(interval), asked.poller()
    until(lambda: states(poller) == ["ok"])
    assert rounds.ask(5.0)
    time.sleep(3 * DEADLINE)  # until nothing is to be done sooner; a thread that ends by a mistake says so
    assert (states(poller), poller.problem("block", 0), qemu.clients) == (["ok"], None, 2)


def test_however_many_are_stuck_the_others_are_asked(asked: Asked) -> None:
    for number in range(40):
        asked.qemu(f"bad{number}", fake_qemu.never_answer)
    good = asked.qemu("good")
    asked.rounds(0.1)
    time.sleep(3.0)
    clients = good.clients
    time.sleep(2.0)
    assert good.clients - clients > 10


OTHER_PROCESS = """
import sys, time
from pathlib import Path
from testkit.fakes import qemu as fake_qemu
from testkit.fakes.queried_qemus import DEADLINE, Asked, Fails, open_files, states
fake_qemu.FIRST = 5000
with fake_qemu.running(Path(sys.argv[1])):
    sys.stdin.read()
"""


def test_another_run_of_qemu_is_another_device(asked: Asked) -> None:
    qemu = asked.qemu("a")
    rounds, poller = asked.rounds(), asked.poller()
    assert rounds.ask(5.0)
    before = poller.poll()
    qemu.close()
    qemu.path.unlink()
    command = [sys.executable, "-c", OTHER_PROCESS, str(qemu.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, cwd=Path(__file__).parents[2]):
        until(lambda: rounds.ask(5.0) and states(poller) == ["ok"], 30.0)
        after = poller.poll()
    assert (after.block[0].rd_req, after.block[0].generation) == (5000, 1)
    assert after.rates(before).block[0].state == "replaced"


def test_who_is_asked_changes(asked: Asked) -> None:
    first, second = asked.qemu("first"), asked.qemu("second")
    rounds = asked.rounds(0.05)
    until(lambda: first.clients > 2 and second.clients > 2)
    rounds.set([asked.askers["second"]])
    time.sleep(0.2)
    clients = first.clients
    until(lambda: second.clients > 20)
    assert first.clients == clients
    rounds.set([])
    assert rounds.ask(5.0), "nobody is to answer"


def test_nothing_is_left(asked: Asked) -> None:
    descriptors = open_files()
    asked.qemu("bad", fake_qemu.never_answer)
    listening = open_files() - descriptors
    rounds = asked.rounds(0.05)
    time.sleep(0.2)
    start = time.monotonic()
    rounds.close()
    assert time.monotonic() - start < 0.5
    rounds.close()
    assert not any(thread.name == "vmiostat-askers" for thread in threading.enumerate())
    until(lambda: len(open_files() - descriptors - listening) <= 1)  # the fake's client
    assert not rounds.ask(5.0)
    rounds.set(asked.askers.values())
    assert time.monotonic() - start < 5.0, "a closed one is not waited for"
