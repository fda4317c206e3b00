"""What faults are put into: two guests on real devices, and a container with many."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.real.devices import make_veths
from testkit.real.domain import write_domain
from testkit.real.machine import Machine, made_machine
from testkit.real.needs import own_network

MANY = [f"many{n}" for n in range(150)]
"""So many that a thread asks netlink."""


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Two guests that have sent what `SENT` tells, and are idle from then on: a right number is the same number."""
    with own_network(tmp_path / "sys") as sys, made_machine(sys, tmp_path) as machine:
        machine.send_frames()
        for loop in machine.loops:
            loop.write(3)
        yield machine


@pytest.fixture
def many(machine: Machine, tmp_path: Path) -> Path:
    """The definition of another guest: the same disks, and so many interfaces."""
    make_veths([(name, f"peer-{name}") for name in MANY])
    return write_domain(tmp_path, "many", bridge=MANY, disks=machine.loops)
