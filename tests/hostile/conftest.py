"""A folder for attackers, and what tests of attacks measured, printed at the end."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.measured import measured, pytest_terminal_summary
from testkit.real.needs import skip

__all__ = ["measured", "pytest_terminal_summary"]

STRANGERS = "vmiostat-strangers-"


@pytest.fixture
def root() -> None:
    if os.geteuid():
        skip("an attack on root needs root")


@pytest.fixture
def everybodys(root: None) -> Iterator[Path]:
    """A folder that any user may enter: pytest's own are root's alone."""
    folder = Path(tempfile.mkdtemp(prefix=STRANGERS))
    folder.chmod(0o755)
    yield folder
    subprocess.run(["rm", "-r", folder], check=True)  # another process: test_system_calls looks at what this one opens
