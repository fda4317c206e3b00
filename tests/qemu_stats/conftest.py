"""Fake QEMUs for tests of the clients and of the thread that queries them."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from testkit.fakes.queried_qemus import QueriedQemus


@pytest.fixture
def qemus(tmp_path: Path) -> Iterator[QueriedQemus]:
    with ExitStack() as stack:
        yield QueriedQemus(tmp_path, stack)
