"""Writes reports and error messages, past Python's buffers."""

from __future__ import annotations

import io
import os
import select
import sys

from vmiostat.cli.names import one_line


def use_utf8() -> None:
    """Makes standard output and error UTF-8, whatever the locale: in another encoding two names could become one."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def write(text: str) -> None:
    """Writes all of `text` to standard output, now.

    Not through sys.stdout: after a signal the interpreter flushes its buffer at the end, and would wait for a reader
    that has stopped reading.
    """
    descriptor = sys.stdout.fileno() if sys.stdout else 1
    rest = memoryview(text.encode("utf-8", "backslashreplace"))
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # a terminal or pipe that another process made non-blocking
            select.select([], [descriptor], [])
        except OSError as error:
            error.filename = "standard output"
            raise


def complain(sentence: str) -> int:
    """Writes one line to standard error, and returns the exit status of an error."""
    if sys.stderr:  # it may be closed, and print() would then write to standard output
        print(f"vmiostat: {one_line(sentence)}", file=sys.stderr, flush=True)
    return 1


def sentence(error: Exception) -> str:
    """The text of an error; of an OSError without its number, which Python puts first."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)
