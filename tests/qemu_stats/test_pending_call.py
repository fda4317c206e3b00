"""A call that cannot start leaves no descriptor open."""

from collections.abc import Callable
from concurrent.futures import Future

import pytest

from testkit.fakes.queried_qemus import open_files
from vmiostat.qemu_stats.client import QueryError
from vmiostat.qemu_stats.pending_call import PendingCall


def no_thread() -> Future[None] | None:
    return None


def refused() -> Future[None] | None:
    raise QueryError("the last query has not been answered yet")


@pytest.mark.parametrize(("start", "why"), [(no_thread, "no thread can start"), (refused, "not been answered yet")])
def test_a_call_that_cannot_start_leaves_no_descriptor(start: Callable[[], Future[None] | None], why: str) -> None:
    before = open_files()
    with pytest.raises(QueryError, match=why):
        PendingCall(start)
    assert not open_files() - before
