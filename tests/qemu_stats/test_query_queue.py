"""Which query starts next under an in-flight limit."""

from testkit.fakes.queried_qemus import FailingClient
from vmiostat.qemu_stats.client import InFlightLimit, QueryError
from vmiostat.qemu_stats.query_queue import QueryQueue
from vmiostat.qemu_stats.query_state import QueryState


def queued(queue: QueryQueue, count: int, *, failures: int = 0) -> list[QueryState]:
    states = [QueryState(FailingClient(QueryError("no")), 0.0) for _ in range(count)]
    for state in states:
        state.failures = failures
        queue.wait(state)
    return states


def test_suspects_get_a_quarter_of_the_places() -> None:
    queue = QueryQueue(InFlightLimit(8))
    suspects = queued(queue, 3, failures=1)
    assert [queue.next(), queue.next(), queue.next()] == [*suspects[:2], None]
    (healthy,) = queued(queue, 1)
    assert queue.next() is healthy
    queue.free(suspects[0])
    assert queue.next() is suspects[2]


def test_a_suspect_is_not_starved() -> None:
    queue = QueryQueue(InFlightLimit(2))
    before = queued(queue, 2)
    (suspect,) = queued(queue, 1, failures=1)
    after = queued(queue, 10)
    assert [queue.next(), queue.next()] == before
    queue.free(before[0])
    assert queue.next() is suspect
    queue.free(before[1])
    assert queue.next() is after[0]


def test_suspects_do_not_starve_the_others() -> None:
    queue = QueryQueue(InFlightLimit(4))
    suspects = queued(queue, 10, failures=1)
    healthy = queued(queue, 4)
    assert [queue.next() for _ in range(4)] == [suspects[0], *healthy[:3]]
    queue.free(healthy[0])
    assert queue.next() is healthy[3]
    queue.free(healthy[3])
    assert queue.next() is None


def test_a_suspect_never_gets_the_last_place() -> None:
    queue = QueryQueue(InFlightLimit(in_time=4, in_total=2))
    suspects = queued(queue, 2, failures=1)
    assert queue.next() is suspects[0]
    queue.overdue(suspects[0])
    assert queue.next() is None
    healthy = queued(queue, 2)
    assert queue.next() is healthy[0]
    assert queue.next() is None, "all places are taken"
    queue.free(healthy[1])
    queue.free(suspects[0])
    assert queue.next() is None
    queue.free(healthy[0])
    assert queue.next() is suspects[1]
