"""A plugin for pytest: writes the start and the outcome of each test to the console, among the kernel's messages.

The host side reads them there, even if the machine reboots during a test.
"""

from pathlib import Path

import pytest


def pytest_runtest_logstart(nodeid: str) -> None:
    _say("started", nodeid)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or report.outcome != "passed":
        _say(report.outcome, report.nodeid)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.outcome != "passed":
        _say(report.outcome, report.nodeid)


def _say(outcome: str, nodeid: str) -> None:
    # Errors (3) and worse are what a quiet kernel shows.
    Path("/dev/kmsg").write_text(f"<3>test {outcome}: {nodeid}\n")
