"""Rounds that make a mistake, or for which a process has no thread or descriptor: that costs rows, and is said."""

import re
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from testkit.fakes.queried_qemus import Asked, Fails, open_files, states
from testkit.until import until
from vmiostat.qemu_stats.client import QueryError
from vmiostat.qemu_stats.in_flight_limit import InFlightLimit
from vmiostat.qemu_stats.query_loop import QueryLoop
from vmiostat.qemu_stats.query_thread import OnDemand


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    with ExitStack() as stack:
        yield Asked(tmp_path, stack)


def test_many_that_fail_at_once(asked: Asked) -> None:
    asked.slots = InFlightLimit(4)
    for number in range(4):
        asked.qemu(f"good{number}")
    failing = [Fails(asked.slots, QueryError("no")) for _ in range(2000)]
    rounds, poller = asked.rounds(), asked.poller()
    # The first ones have the slots that all of the others wait for.
    rounds.set([*asked.askers.values(), *failing])
    assert rounds.ask(10.0)
    assert states(poller) == ["ok"] * 4
    assert {(one.asked, one.reports[0].problem) for one in failing} == {(1, "no")}
    assert rounds.ask(10.0), "it goes on"


@pytest.mark.parametrize("later", [False, True])
def test_a_mistake_costs_its_own_row(asked: Asked, *, later: bool) -> None:
    asked.qemu("good")
    wrong = Fails(asked.slots, KeyError("what"), later=later)
    rounds, poller = asked.rounds(0.05), asked.poller()
    rounds.set([wrong, *asked.askers.values()])
    until(lambda: wrong.asked > 2)
    assert wrong.reports[0].problem == "a mistake of vmiostat's own: KeyError('what')"
    assert states(poller) == ["ok"]


def test_a_thread_that_ends_by_mistake_says_so_and_comes_again(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    asked.qemu("a")
    poller = asked.poller()
    before = open_files()
    rounds = asked.rounds(0.05)
    until(lambda: states(poller) == ["ok"])
    with monkeypatch.context() as patch:
        patch.setattr(QueryLoop, "go_on", fails(KeyError("what")))
        until(lambda: states(poller) == ["stale"])
        assert "asking has ended by a mistake of vmiostat's own: KeyError('what')" in str(poller.problem("block", 0))
        until(lambda: not asking())
    rounds.set(asked.askers.values())
    until(lambda: states(poller) == ["ok"])
    assert asking() == 1
    rounds.close()
    until(lambda: not open_files() - before)


def fails(error: Exception) -> Callable[..., object]:
    def fail(*_: object) -> object:
        raise error

    return fail


def asking() -> int:
    return sum(thread.name == "vmiostat-askers" for thread in threading.enumerate())


@contextmanager
def no_thread() -> Iterator[None]:
    """None is to be had."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", fails(RuntimeError("can't start new thread")))
        yield


@contextmanager
def no_descriptor() -> Iterator[None]:
    """This process can open no file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


WANT = [(no_thread, "can't start new thread"), (no_descriptor, "Too many open files")]
"""What a process may have no more of, and what then is said."""


@pytest.mark.parametrize(("want", "why"), WANT)
@pytest.mark.parametrize("interval", ["on demand", 0.05])
def test_where_asking_cannot_begin_it_says_so_and_heals(
    asked: Asked, want: Callable[[], AbstractContextManager[None]], why: str, interval: float | OnDemand
) -> None:
    asked.qemu("a")
    poller = asked.poller()
    before = open_files()
    with want():
        rounds = asked.rounds(interval)
        assert rounds.ask(5.0), "nobody is waited for"
        rows = states(poller)
    assert rows == ["stale"]
    assert re.fullmatch(f"QMP /run/a: nothing can be asked: .*{why}.*", str(poller.problem("block", 0)))
    assert not open_files() - before
    assert rounds.ask(5.0)
    assert states(poller) == ["ok"]
    rounds.close()


@pytest.mark.parametrize(("want", "why"), WANT)
def test_where_asking_cannot_begin_it_can_be_closed(
    asked: Asked, want: Callable[[], AbstractContextManager[None]], why: str
) -> None:
    asked.qemu("a")
    with want():
        rounds = asked.rounds()
        rounds.close()
    rounds.close()
    assert why in str(asked.reports["a"].problem)


@pytest.mark.parametrize(
    ("want", "why"), [(no_thread, "there is no thread to ask it in"), (no_descriptor, "Too many open files")]
)
def test_where_a_question_cannot_be_asked_it_says_so_and_heals(
    asked: Asked, want: Callable[[], AbstractContextManager[None]], why: str
) -> None:
    asked.qemu("a")
    rounds, poller = asked.rounds(), asked.poller()
    assert rounds.ask(5.0)
    with want():
        assert rounds.ask(5.0)
        rows = states(poller)
    assert rows == ["stale"]
    assert why in str(poller.problem("block", 0))
    until(lambda: rounds.ask(5.0) and states(poller) == ["ok"])
