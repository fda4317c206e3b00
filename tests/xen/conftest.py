"""What every test in dom0 stands on: `make test-xen` brings the lab up and runs them there; elsewhere they skip."""

import pytest

from testkit.measured import measured, pytest_terminal_summary
from tests.xen import dom0
from vmiostat import Host

__all__ = ["measured", "pytest_terminal_summary"]


@pytest.fixture(autouse=True, scope="session")
def in_dom0() -> None:
    if not dom0.is_here():
        pytest.skip("runs in the dom0 of the lab: make test-xen")


@pytest.fixture
def host() -> Host:
    return Host()
