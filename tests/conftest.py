"""What holds for every test."""

import signal


def pytest_configure() -> None:
    """A shell lets what it starts in the background ignore Ctrl-C, and so all that this starts: here it is heard."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
