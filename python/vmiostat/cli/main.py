"""Runs a command. The exit status is 0, 1 after an error, or 2 for wrong arguments."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from vmiostat.cli.output import use_utf8
from vmiostat.cli.stopping import Stopped, StopSignals

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {"devices": "show where each device's counters come from, or why it has none"}
"""The first argument, if it is no option. Each is a module here with a `parser()` and a `run(options, signals)`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command that the arguments name, and returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    use_utf8()
    command = words.pop(0) if words and words[0] in COMMANDS else "report"
    with StopSignals() as signals:
        try:
            return _run(command, words, signals)
        except Stopped as stopped:
            return stopped.exit_status
        except BrokenPipeError:  # the reader has seen enough: head, less
            return 0


def _run(command: str, words: list[str], signals: StopSignals) -> int:
    module = import_module(f"vmiostat.cli.{command}")
    try:
        options = module.parser().parse_args(words)
    finally:
        _flush_help()
    # After parsing: a wrong option or --help need not wait for the Rust core and lxml.
    from vmiostat.cli.open_files import allow_open_files
    from vmiostat.cli.output import complain, sentence, write
    from vmiostat.errors import Error

    allow_open_files()
    try:
        if options.version:
            from vmiostat import __version__

            write(f"vmiostat {__version__}\n")
        else:
            module.run(options, signals)
    except BrokenPipeError:
        raise
    except (Error, OSError) as error:
        return complain(sentence(error))
    return 0


def _flush_help() -> None:
    # argparse prints into the buffer of sys.stdout. If the interpreter flushed it at its end, `vmiostat --help | true`
    # would end with a message and status 120.
    if not sys.stdout:
        return
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise
