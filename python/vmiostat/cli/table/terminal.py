"""The width of the terminal that a table is printed on."""

from __future__ import annotations

import os
import sys


def room() -> int | None:
    """Columns of the terminal; None where standard output is a pipe or a file, which takes the full width."""
    try:
        descriptor = sys.stdout.fileno() if sys.stdout else 1
        return os.get_terminal_size(descriptor).columns or None  # 0 where nothing has set it: a serial line
    except (OSError, ValueError):
        return None
