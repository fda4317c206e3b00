"""Tests that run in machines with other kernels, by `make test-kernels`; elsewhere they skip."""

import os

import pytest

_INSIDE = "VMIOSTAT_KERNEL" in os.environ

collect_ignore = ["from_outside"] if _INSIDE else []


@pytest.fixture(autouse=True, scope="session")
def in_the_lab() -> None:
    if not _INSIDE:
        pytest.skip("runs in the kernels' lab: make test-kernels")
