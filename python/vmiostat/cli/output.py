"""Where reports and complaints go: straight to the descriptors."""

from __future__ import annotations

import os
import select
import sys

from vmiostat.cli.names import one_line


def write(text: str) -> None:
    """Writes all of `text` to standard output, now.

    Not through sys.stdout: what a signal leaves in its buffer would be flushed at the interpreter's end, which would
    wait again for a reader that has stopped reading.
    """
    encoding = sys.stdout.encoding if sys.stdout else "utf-8"
    descriptor = sys.stdout.fileno() if sys.stdout else 1
    rest = memoryview(text.encode(encoding, "backslashreplace"))
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # a terminal or pipe that another process made non-blocking
            select.select([], [descriptor], [])
        except OSError as error:
            error.filename = "standard output"
            raise


def complain(sentence: str) -> int:
    """Writes one line to standard error, and gives the exit status of a failure."""
    if sys.stderr:  # not where it was closed: print() would then turn to standard output
        print(f"vmiostat: {one_line(sentence)}", file=sys.stderr, flush=True)
    return 1


def sentence(error: Exception) -> str:
    """What an error says, without the number that Python begins an OSError's text with."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)
