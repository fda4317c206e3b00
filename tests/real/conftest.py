"""What every test of real devices stands on."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.devices import network_namespace
from tests.real.machine import Machine, made_machine


@pytest.fixture
def namespace(tmp_path: Path) -> Iterator[Path]:
    """A network namespace of the test's own; the value is its /sys."""
    if os.geteuid() != 0:
        pytest.skip("needs root: makes a network namespace, taps and loop devices")
    for program in ("ip", "mount"):
        if shutil.which(program) is None:
            pytest.skip(f"needs the program {program!r}")
    with network_namespace(tmp_path / "sys") as sys:
        yield sys


@pytest.fixture
def machine(namespace: Path, tmp_path: Path) -> Iterator[Machine]:
    """Two guests on real devices, all idle."""
    with made_machine(namespace, tmp_path) as machine:
        yield machine
