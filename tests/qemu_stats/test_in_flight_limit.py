"""How many questions may be out, and whose turn it is."""

from testkit.fakes.queried_qemus import Fails
from vmiostat.qemu_stats.client import QueryError
from vmiostat.qemu_stats.in_flight_limit import InFlightLimit
from vmiostat.qemu_stats.query_state import QueryState


def suspects(slots: InFlightLimit, count: int) -> list[QueryState]:
    """Those whose last questions failed."""
    turns = [QueryState(Fails(slots, QueryError("no")), 0.0) for _ in range(count)]
    for turn in turns:
        turn.failures = 1
        slots.wait(turn)
    return turns


def well(slots: InFlightLimit, count: int) -> list[QueryState]:
    turns = [QueryState(Fails(slots, QueryError("no")), 0.0) for _ in range(count)]
    for turn in turns:
        slots.wait(turn)
    return turns


def test_who_has_failed_may_have_a_quarter_of_the_slots() -> None:
    slots = InFlightLimit(8)
    failed = suspects(slots, 3)
    assert [slots.next(), slots.next(), slots.next()] == [*failed[:2], None]
    (other,) = well(slots, 1)
    assert slots.next() is other
    slots.free(failed[0])
    assert slots.next() is failed[2]


def test_who_has_failed_has_its_turn_however_many_others_wait() -> None:
    slots = InFlightLimit(2)
    before = well(slots, 2)
    (failed,) = suspects(slots, 1)
    after = well(slots, 10)
    assert [slots.next(), slots.next()] == before
    slots.free(before[0])
    assert slots.next() is failed
    slots.free(before[1])
    assert slots.next() is after[0]


def test_however_many_that_have_failed_wait_the_others_have_the_rest() -> None:
    slots = InFlightLimit(4)
    failed = suspects(slots, 10)
    others = well(slots, 4)
    assert [slots.next() for _ in range(4)] == [failed[0], *others[:3]]
    slots.free(others[0])
    assert slots.next() is others[3]
    slots.free(others[3])
    assert slots.next() is None


def test_the_last_slot_is_kept_from_those_who_have_failed() -> None:
    slots = InFlightLimit(4, 2)
    failed = suspects(slots, 2)
    assert slots.next() is failed[0]
    slots.overdue(failed[0])
    assert slots.next() is None
    others = well(slots, 2)
    assert slots.next() is others[0]
    assert slots.next() is None, "all are out"
    slots.free(others[1])
    slots.free(failed[0])
    assert slots.next() is None
    slots.free(others[0])
    assert slots.next() is failed[1]
