"""Which query starts next under an in-flight limit."""

import pytest

from testkit.fakes.queried_qemus import FailingClient
from vmiostat.qemu_stats.client import InFlightLimit, QueryError
from vmiostat.qemu_stats.query_queue import CPU_BURST, CPU_SHARE, QueryQueue
from vmiostat.qemu_stats.query_state import QueryState

NOW = 100.0


def queued(queue: QueryQueue, count: int, *, failures: int = 0, user: int | None = None) -> list[QueryState]:
    states = [QueryState(FailingClient(QueryError("no"), user=user), 0.0) for _ in range(count)]
    for state in states:
        state.failures = failures
        queue.wait(state)
    return states


def test_suspects_get_a_quarter_of_the_places() -> None:
    queue = QueryQueue(InFlightLimit(8))
    suspects = queued(queue, 3, failures=1)
    assert [queue.next(NOW), queue.next(NOW), queue.next(NOW)] == [*suspects[:2], None]
    (healthy,) = queued(queue, 1)
    assert queue.next(NOW) is healthy
    queue.free(suspects[0])
    assert queue.next(NOW) is suspects[2]


def test_a_suspect_is_not_starved() -> None:
    queue = QueryQueue(InFlightLimit(2))
    before = queued(queue, 2)
    (suspect,) = queued(queue, 1, failures=1)
    after = queued(queue, 10)
    assert [queue.next(NOW), queue.next(NOW)] == before
    queue.free(before[0])
    assert queue.next(NOW) is suspect
    queue.free(before[1])
    assert queue.next(NOW) is after[0]


def test_suspects_do_not_starve_the_others() -> None:
    queue = QueryQueue(InFlightLimit(4))
    suspects = queued(queue, 10, failures=1)
    healthy = queued(queue, 4)
    assert [queue.next(NOW) for _ in range(4)] == [suspects[0], *healthy[:3]]
    queue.free(healthy[0])
    assert queue.next(NOW) is healthy[3]
    queue.free(healthy[3])
    assert queue.next(NOW) is None


def test_a_suspect_never_gets_the_last_place() -> None:
    queue = QueryQueue(InFlightLimit(in_time=4, in_total=2))
    suspects = queued(queue, 2, failures=1)
    assert queue.next(NOW) is suspects[0]
    queue.overdue(suspects[0])
    assert queue.next(NOW) is None
    healthy = queued(queue, 2)
    assert queue.next(NOW) is healthy[0]
    assert queue.next(NOW) is None, "all places are taken"
    queue.free(healthy[1])
    queue.free(suspects[0])
    assert queue.next(NOW) is None
    queue.free(healthy[0])
    assert queue.next(NOW) is suspects[1]


def started(queue: QueryQueue) -> list[int | None]:
    """Starts all queries that may start; returns their users."""
    users = []
    while (state := queue.next(NOW)) is not None:
        users.append(state.client.user)
    return users


def test_queries_of_users_alternate() -> None:
    queue = QueryQueue(InFlightLimit(32))
    queue.set_users({1, 2, 3})
    for user, count in ((1, 200), (2, 3), (3, 1)):
        queued(queue, count, user=user)
    assert started(queue) == [1, 2, 3, 1, 2, 1, 2, *[1] * 5], "8 of user 1: a quarter"


def test_a_user_who_is_alone_has_all_places() -> None:
    queue = QueryQueue(InFlightLimit(32))
    queue.set_users({1})
    queued(queue, 40, user=1)
    assert started(queue) == [1] * 32


@pytest.mark.parametrize("users", [5, 8, 31, 32])
def test_up_to_as_many_users_as_places_have_one_each_at_any_time(users: int) -> None:
    queue = QueryQueue(InFlightLimit(32))
    queue.set_users(set(range(users)))
    for user in range(1, users):
        queued(queue, 50, user=user)
    started(queue)
    queued(queue, 1, user=0)
    assert started(queue) == [0]


def test_suspects_of_one_user_do_not_delay_those_of_another() -> None:
    queue = QueryQueue(InFlightLimit(32))
    queue.set_users({1, 2})
    queued(queue, 50, user=1, failures=1)
    assert started(queue) == [1, 1]
    queued(queue, 1, user=2, failures=1)
    assert started(queue) == [2]


def test_a_user_whose_queries_take_too_much_cpu_time_waits() -> None:
    queue = QueryQueue(InFlightLimit(32))
    queue.set_users({1, 2})
    state, _ = queued(queue, 2, user=1)
    assert queue.next(NOW) is state
    queue.charge(state, CPU_BURST + 1.0, NOW)
    queue.free(state)
    assert queue.next_start(NOW) == pytest.approx(NOW + 1.0 / CPU_SHARE)
    assert queue.next(NOW) is None
    assert "25% of a CPU" in queue.why_waiting(state, NOW)
    queued(queue, 1, user=2)
    assert started(queue) == [2]
    assert queue.next(NOW + 1.01 / CPU_SHARE) is not None
