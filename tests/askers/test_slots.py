"""How many questions may be out, and whose turn it is."""

from tests.askers.asked_qemus import Fails
from vmiostat.askers.question import AskError
from vmiostat.askers.slots import Slots
from vmiostat.askers.turn import Turn


def suspects(slots: Slots, count: int) -> list[Turn]:
    """Those whose last questions failed."""
    turns = [Turn(Fails(slots, AskError("no")), 0.0) for _ in range(count)]
    for turn in turns:
        turn.failures = 1
        slots.wait(turn)
    return turns


def test_who_has_failed_may_have_a_quarter_of_the_slots() -> None:
    slots = Slots(8)
    failed = suspects(slots, 3)
    assert [slots.next(), slots.next(), slots.next()] == [*failed[:2], None]
    well = Turn(Fails(slots, AskError("no")), 0.0)
    slots.wait(well)
    assert slots.next() is well
    slots.free(failed[0])
    assert slots.next() is failed[2]


def test_the_last_slot_is_kept_from_those_who_have_failed() -> None:
    slots = Slots(4, 2)
    failed = suspects(slots, 2)
    assert slots.next() is failed[0]
    slots.overdue(failed[0])
    assert slots.next() is None
    well = [Turn(Fails(slots, AskError("no")), 0.0) for _ in range(2)]
    for turn in well:
        slots.wait(turn)
    assert slots.next() is well[0]
    assert slots.next() is None, "all are out"
    slots.free(well[1])
    slots.free(failed[0])
    assert slots.next() is None
    slots.free(well[0])
    assert slots.next() is failed[1]
