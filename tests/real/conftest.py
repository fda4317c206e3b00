"""What every test of real devices stands on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.real.machine import Machine, made_machine
from testkit.real.needs import own_network


@pytest.fixture
def namespace(tmp_path: Path) -> Iterator[Path]:
    """A network namespace of the test's own; the value is its /sys."""
    with own_network(tmp_path / "sys") as sys:
        yield sys


@pytest.fixture
def machine(namespace: Path, tmp_path: Path) -> Iterator[Machine]:
    """Two guests on real devices, all idle."""
    with made_machine(namespace, tmp_path) as machine:
        yield machine
