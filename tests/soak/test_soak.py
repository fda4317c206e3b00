"""A short soak; `make soak` runs the long one."""

from pathlib import Path

import pytest

from testkit.real.needs import own_network
from tests.soak.limits import check_figures
from tests.soak.soaking import soak

SECONDS = 20.0


@pytest.mark.slow
@pytest.mark.alone  # among processes of its own, an ended QEMU may be a hidden one
def test_twenty_seconds_of_devices_that_come_and_go(tmp_path: Path) -> None:
    with own_network(tmp_path / "sys") as sys:
        figures = soak(SECONDS, sys, tmp_path)
    check_figures(figures, SECONDS)
