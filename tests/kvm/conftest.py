"""What every test beside a real libvirtd stands on: `make test-kvm` brings it up, and without it they skip."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from lab.kvm import running_lab
from lab.kvm.running_lab import RunningLab
from testkit.measured import measured, pytest_terminal_summary
from vmiostat import Host

__all__ = ["measured", "pytest_terminal_summary"]


@pytest.fixture(scope="session")
def lab() -> RunningLab:
    """The lab. Where VMIOSTAT_KVM says that it is there, a test fails without it."""
    found = running_lab.chosen() if os.geteuid() == 0 else None
    if found is None:
        reason = "needs root and the lab: make test-kvm brings it up, make lab-kvm for longer"
        if os.environ.get("VMIOSTAT_KVM"):
            pytest.fail(f"VMIOSTAT_KVM is set, but this {reason}")
        pytest.skip(reason)
    return found


@pytest.fixture
def host(lab: RunningLab) -> Host:
    """This machine with the lab's /run: its interfaces are in another network namespace than the test."""
    return Host(run=lab.run)


@pytest.fixture
def connection(lab: RunningLab) -> Iterator[Any]:
    """What all is held against: libvirt's own answers."""
    import libvirt

    opened = libvirt.open(lab.uri)
    try:
        yield opened
    finally:
        opened.close()
