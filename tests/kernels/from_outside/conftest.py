"""Fixtures of the tests of the lab itself, which run on this machine and take machines of the lab down."""

import os
from collections.abc import Iterator

import pytest

from lab.kernels import lab
from lab.kernels.place import MachinePlace, Place

KERNEL = "6.12"


@pytest.fixture(autouse=True, scope="session")
def in_the_lab() -> None:
    """Replaces the fixture of tests that run in a machine."""
    if "VMIOSTAT_KERNELS" not in os.environ:
        pytest.skip("takes machines of the kernels' lab down: make test-kernels")


@pytest.fixture(scope="session")
def place(in_the_lab: None) -> Iterator[Place]:
    place = Place.chosen()
    yield place
    lab.down(place, KERNEL)


@pytest.fixture
def machine(place: Place) -> MachinePlace:
    """A machine that is up, whatever the previous test has done to it."""
    lab.up(place, KERNEL)
    return place.machine(KERNEL)
