"""Only what measures time is retried, and the run says what was."""

import os
import subprocess
import sys
from pathlib import Path

from tests.house.code import ROOT

TESTS = """
import pytest

ran = []

@pytest.mark.timing
def test_late():
    ran.append("late")
    assert ran.count("late") == 3

def test_wrong():
    ran.append("wrong")
    assert ran.count("wrong") == 2
"""


def test_only_timing_tests_are_retried(tmp_path: Path) -> None:
    (tmp_path / "test_two.py").write_text(TESTS)
    options: list[str | Path] = ["-p", "tests.conftest", "-c", ROOT / "pyproject.toml"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": "-p no:cacheprovider"}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *options, tmp_path],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 failed, 1 passed, 2 rerun" in ran.stdout
    assert "timing tests retried: 1" in ran.stdout
    assert "FAILED" in ran.stdout
    assert "::test_wrong" in ran.stdout.partition("short test summary")[2]
