"""What tests measured, told at the end of the run: a bound that is kept says little of by how much."""

from collections.abc import Callable

Measured = Callable[[str], None]
"""Takes a line for the end of the run."""

lines: list[str] = []
