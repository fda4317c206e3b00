"""A call that cannot begin leaves nothing."""

from collections.abc import Callable
from concurrent.futures import Future

import pytest

from testkit.fakes.queried_qemus import open_files
from vmiostat.qemu_stats.client import QueryError
from vmiostat.qemu_stats.pending_call import PendingCall


def nobody() -> Future[None] | None:
    return None


def refused() -> Future[None] | None:
    raise QueryError("its last question has no answer yet")


@pytest.mark.parametrize(("start", "why"), [(nobody, "there is no thread"), (refused, "no answer yet")])
def test_a_call_that_cannot_begin_keeps_no_descriptor(start: Callable[[], Future[None] | None], why: str) -> None:
    before = open_files()
    with pytest.raises(QueryError, match=why):
        PendingCall(start)
    assert not open_files() - before
