"""What tests of the lab itself stand on: they run on this machine, and fail machines of the lab."""

import os
from collections.abc import Iterator

import pytest

from lab.kernels import lab
from lab.kernels.place import MachinePlace, Place

KERNEL = "6.12"


@pytest.fixture(autouse=True, scope="session")
def in_the_lab() -> None:
    """In place of what the other tests need: to be inside."""
    if "VMIOSTAT_KERNELS" not in os.environ:
        pytest.skip("takes machines of the kernels' lab down: make test-kernels")


@pytest.fixture(scope="session")
def place(in_the_lab: None) -> Iterator[Place]:
    place = Place.chosen()
    yield place
    lab.down(place, KERNEL)


@pytest.fixture
def machine(place: Place) -> MachinePlace:
    """One that is up, whatever the test before has done to it."""
    lab.up(place, KERNEL)
    return place.machine(KERNEL)
