"""What tests of real devices need of the machine; without it they skip, and say what is missing."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from testkit.real.devices import network_namespace


def skip(reason: str) -> NoReturn:
    """Skips the test. Where VMIOSTAT_REAL_DEVICES says that the machine has all that is needed, the test fails."""
    if os.environ.get("VMIOSTAT_REAL_DEVICES"):
        pytest.fail(f"VMIOSTAT_REAL_DEVICES is set, but this {reason}")
    pytest.skip(reason)


def need_program(name: str) -> None:
    if shutil.which(name) is None:
        skip(f"needs the program {name!r}")


def need_devices() -> None:
    """What making taps, veths and loop devices needs."""
    if os.geteuid() != 0:
        skip("needs root: makes network interfaces and loop devices")
    for node in ("/dev/net/tun", "/dev/loop-control"):
        if not Path(node).exists():
            skip(f"needs {node}")
    need_program("ip")


@contextmanager
def own_network(sys: Path) -> Iterator[Path]:
    """A network namespace of the test's own; the value is its /sys."""
    need_devices()
    with ExitStack() as stack:
        try:
            entered = stack.enter_context(network_namespace(sys))
        except PermissionError as error:  # root in a container is not always allowed to
            skip(f"needs a network namespace of its own: {error}")
        yield entered
