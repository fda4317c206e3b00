"""While devices are renamed, replaced, moved and reused, and calls fail, an `ok` row is the device that it names."""

from pathlib import Path

import pytest

from testkit.identity.stress import stress
from testkit.real.needs import own_network

SECONDS = 60.0

ROUTES = [
    "/proc/net/dev, requested",
    "/proc/thread-self/net/dev, requested",
    "/statistics and 5 more",
    "rtnetlink (RTM_GETSTATS), one dump",
    "rtnetlink (RTM_GETSTATS), by a thread",
    "/proc/diskstats, one pass",
    "stat files are cheaper",
    "the I/O of a process",
]
"""What `explain` says of each."""


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(300)
def test_a_row_is_the_device_that_it_names(tmp_path: Path) -> None:
    with own_network(tmp_path / "sys") as sys:
        figures = stress(SECONDS, sys, tmp_path)
    assert all(figures.checked.values()), figures
    assert all(any(route in source for source in figures.sources) for route in ROUTES), figures.sources
    assert len(figures.changes) == 16, figures
