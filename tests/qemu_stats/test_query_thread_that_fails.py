"""A query thread with an internal error, or without a thread or descriptor to start with: the rows say so."""

import re
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from testkit.fakes.queried_qemus import FailingClient, QueriedQemus, open_files, states
from testkit.until import until
from vmiostat.qemu_stats.client import InFlightLimit, QueryError
from vmiostat.qemu_stats.query_loop import QueryLoop
from vmiostat.qemu_stats.query_thread import OnDemand


def test_many_clients_fail_at_once(qemus: QueriedQemus) -> None:
    limit = InFlightLimit(4)
    for number in range(4):
        qemus.qemu(f"good{number}")
        qemus.clients[f"good{number}"].in_flight_limit = limit
    failing = [FailingClient(QueryError("no"), limit=limit) for _ in range(2000)]
    thread, poller = qemus.query_thread(), qemus.poller()
    # The first four take all the places that the others wait for.
    thread.set_clients([*qemus.clients.values(), *failing])
    assert thread.query(10.0)
    assert states(poller) == ["ok"] * 4
    assert {(client.queries, client.latest_stats[0].problem) for client in failing} == {(1, "no")}
    assert thread.query(10.0), "the thread goes on"


class Panic(BaseException):
    """As a panic of the core."""


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("error", [KeyError("what"), Panic("what")])
def test_an_internal_error_affects_its_own_row_only(qemus: QueriedQemus, error: BaseException, *, later: bool) -> None:
    qemus.qemu("good")
    failing = FailingClient(error, later=later)
    thread, poller = qemus.query_thread(0.05), qemus.poller()
    thread.set_clients([failing, *qemus.clients.values()])
    until(lambda: failing.queries > 2)
    assert failing.latest_stats[0].problem == f"internal error in vmiostat: {error!r}"
    until(lambda: states(poller) == ["ok"])


def test_a_thread_that_fails_says_so_and_starts_again(qemus: QueriedQemus, monkeypatch: pytest.MonkeyPatch) -> None:
    qemus.qemu("a")
    poller = qemus.poller()
    before = open_files()
    thread = qemus.query_thread(0.05)
    until(lambda: states(poller) == ["ok"])
    with monkeypatch.context() as patch:
        patch.setattr(QueryLoop, "run_once", fails(KeyError("what")))
        until(lambda: states(poller) == ["stale"])
        why = "queries have ended after an internal error in vmiostat: KeyError('what')"
        assert why in str(poller.problem("block", 0))
        until(lambda: not query_threads())
    thread.set_clients(qemus.clients.values())
    until(lambda: states(poller) == ["ok"])
    assert query_threads() == 1
    thread.close()
    until(lambda: not open_files() - before)


def fails(error: Exception) -> Callable[..., object]:
    def fail(*_: object) -> object:
        raise error

    return fail


def query_threads() -> int:
    return sum(thread.name == "vmiostat-query" for thread in threading.enumerate())


@contextmanager
def no_thread() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", fails(RuntimeError("can't start new thread")))
        yield


@contextmanager
def no_descriptor() -> Iterator[None]:
    """This process can open no more files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


SHORTAGES = [(no_thread, "can't start new thread"), (no_descriptor, "Too many open files")]


@pytest.mark.parametrize(("shortage", "why"), SHORTAGES)
@pytest.mark.parametrize("interval", ["on demand", 0.05])
def test_where_the_thread_cannot_start_the_row_says_so_and_recovers(
    qemus: QueriedQemus, shortage: Callable[[], AbstractContextManager[None]], why: str, interval: float | OnDemand
) -> None:
    qemus.qemu("a")
    poller = qemus.poller()
    before = open_files()
    with shortage():
        thread = qemus.query_thread(interval)
        assert thread.query(5.0), "there is no query to wait for"
        rows = states(poller)
    assert rows == ["stale"]
    assert re.fullmatch(f"QMP /run/a: queries cannot start: .*{why}.*", str(poller.problem("block", 0)))
    assert not open_files() - before
    assert thread.query(5.0)
    assert states(poller) == ["ok"]
    thread.close()


@pytest.mark.parametrize(("shortage", "why"), SHORTAGES)
def test_a_thread_that_could_not_start_can_be_closed(
    qemus: QueriedQemus, shortage: Callable[[], AbstractContextManager[None]], why: str
) -> None:
    qemus.qemu("a")
    with shortage():
        thread = qemus.query_thread()
        thread.close()
    thread.close()
    assert why in str(qemus.latest_stats["a"].problem)


@pytest.mark.parametrize(
    ("shortage", "why"), [(no_thread, "no thread can start for the query"), (no_descriptor, "Too many open files")]
)
def test_where_a_query_cannot_start_the_row_says_so_and_recovers(
    qemus: QueriedQemus, shortage: Callable[[], AbstractContextManager[None]], why: str
) -> None:
    qemus.qemu("a")
    thread, poller = qemus.query_thread(), qemus.poller()
    assert thread.query(5.0)
    with shortage():
        assert thread.query(5.0)
        rows = states(poller)
    assert rows == ["stale"]
    assert why in str(poller.problem("block", 0))
    until(lambda: thread.query(5.0) and states(poller) == ["ok"])
