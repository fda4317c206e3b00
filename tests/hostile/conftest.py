"""What tests of attacks measured is printed at the end."""

from testkit.measured import measured, pytest_terminal_summary

__all__ = ["measured", "pytest_terminal_summary"]
