"""Rounds of questions to QEMUs of which some do not answer: those cost their own disks only."""

import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import fake_qemu
from tests.fake_qemu import FakeQemu, Serve
from vmiostat import Poller, Roots
from vmiostat._core import Report
from vmiostat.askers.qmp import QmpAsker
from vmiostat.askers.rounds import OnDemand, Rounds
from vmiostat.askers.slots import Slots
from vmiostat.counters import Reported

DEADLINE = 0.3


class Asked:
    """Some QEMUs that are asked, and a poller of their disks' rows."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.roots = Roots(folder)
        self.slots = Slots(8)
        self.reports: dict[str, Report] = {}
        self.askers: dict[str, QmpAsker] = {}

    def qemu(self, name: str, serve: Serve | None = None) -> FakeQemu:
        """A QEMU with a disk called virtio-disk0, which is asked from the next `rounds` on."""
        (self.folder / "run").mkdir(exist_ok=True)
        made = self.stack.enter_context(fake_qemu.running(self.folder / "run" / name, serve))
        report = self.reports[name] = Report(f"QMP /run/{name}")
        self.askers[name] = QmpAsker(f"/run/{name}", self.roots, {report: ("virtio-disk0", "vda")}, self.slots)
        return made

    def rounds(self, interval: float | OnDemand = "on demand") -> Rounds:
        rounds = Rounds(interval, DEADLINE)
        self.stack.callback(rounds.close)
        rounds.set(self.askers.values())
        return rounds

    def poller(self) -> Poller:
        rows = [(name, "vda", Reported(report)) for name, report in self.reports.items()]
        return self.stack.enter_context(Poller(self.roots, rows, []))


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    with ExitStack() as stack:
        yield Asked(tmp_path, stack)


def until(true: Callable[[], object], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.01)


def open_files() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def states(poller: Poller) -> list[str]:
    return [row.state for row in poller.poll().block]


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
    rounds = asked.rounds()
    assert rounds.ask(5.0)
    assert "nobody listens there" in str(poller.problem("block", 0))
    (asked.folder / "run/a").unlink()
    assert rounds.ask(5.0)
    assert "it cannot be connected to: No such file or directory" in str(poller.problem("block", 0))


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
from tests import fake_qemu
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
    with subprocess.Popen(command, stdin=subprocess.PIPE, cwd=Path(__file__).parents[1]):
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
