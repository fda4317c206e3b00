"""A call that cannot begin leaves nothing."""

from collections.abc import Callable
from concurrent.futures import Future

import pytest

from tests.askers.asked_qemus import open_files
from vmiostat.askers.call import Call
from vmiostat.askers.question import AskError


def nobody() -> Future[None] | None:
    return None


def refused() -> Future[None] | None:
    raise AskError("its last question has no answer yet")


@pytest.mark.parametrize(("start", "why"), [(nobody, "there is no thread"), (refused, "no answer yet")])
def test_a_call_that_cannot_begin_keeps_no_descriptor(start: Callable[[], Future[None] | None], why: str) -> None:
    before = open_files()
    with pytest.raises(AskError, match=why):
        Call(start)
    assert not open_files() - before
