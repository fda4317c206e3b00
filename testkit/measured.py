"""What tests measured, told at the end of the run: a bound that is kept says little of by how much.

A conftest.py that imports `measured` and `pytest_terminal_summary` from here has both.
"""

from collections.abc import Callable

import pytest

Measured = Callable[[str], None]
"""Takes a line for the end of the run."""

_lines: list[str] = []


@pytest.fixture
def measured() -> Measured:
    """Takes a line for the end of the run."""
    return _lines.append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _lines:
        terminalreporter.section("measured")
        for line in _lines:
            terminalreporter.write_line(line)
        _lines.clear()  # another folder's conftest has this function, too
