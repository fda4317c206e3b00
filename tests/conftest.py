"""What holds for every test."""

import signal

import pytest

RETRIES = 2


def pytest_configure() -> None:
    """A shell lets what it starts in the background ignore Ctrl-C, and so all that this starts: here it is heard."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A busy machine can fail a test that measures time, and no other: only such a test is retried."""
    if config.pluginmanager.hasplugin("rerunfailures"):
        for item in items:
            if item.get_closest_marker("timing"):
                item.add_marker(pytest.mark.flaky(reruns=RETRIES))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if retried := {report.nodeid for report in terminalreporter.stats.get("rerun", [])}:
        terminalreporter.section(f"timing tests retried: {len(retried)}")
        for test in sorted(retried):
            terminalreporter.write_line(test)
