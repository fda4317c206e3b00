"""What calls make calls targets that there are, and `make help` explains each."""

import re
import subprocess

import pytest

from tests.house.code import ROOT

CALLERS = ["CONTRIBUTING.md", ".pre-commit-config.yaml", ".ci/run"]


def explained() -> set[str]:
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {line.split()[0] for line in shown.splitlines() if line}


def test_every_target_is_explained() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(phony.split()) <= explained()


@pytest.mark.parametrize("caller", CALLERS)
def test_targets_exist(caller: str) -> None:
    targets = set(re.findall(r"\bmake ([a-z-]+)", (ROOT / caller).read_text()))
    assert targets
    assert targets <= explained()
