"""Prints at the end of the run what tests measured, since a test that passes does not say by how much.

A conftest.py uses this by importing `measured` and `pytest_terminal_summary`.
"""

from collections.abc import Callable

import pytest

Measured = Callable[[str], None]
"""Takes a line to print at the end of the run."""

_lines: list[str] = []


@pytest.fixture
def measured() -> Measured:
    """Takes a line to print at the end of the run."""
    return _lines.append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _lines:
        terminalreporter.section("measured")
        for line in _lines:
            terminalreporter.write_line(line)
        _lines.clear()  # the conftest.py of another folder may have this function, too
