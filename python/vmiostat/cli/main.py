"""Runs a command. The exit status is 0, 1 after an error, or 2 for wrong arguments."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from vmiostat.cli.choose.words import COMMANDS
from vmiostat.cli.output import use_utf8
from vmiostat.cli.stopping import Stopped, StopSignals

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


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
    from vmiostat.cli.output import complain, sentence, write

    module = import_module(f"vmiostat.cli.{command}")
    try:
        options = _parsed(module.parser(), words)
    except BrokenPipeError:
        raise
    except OSError as error:
        return complain(sentence(error))
    # After parsing: a wrong option or --help need not wait for the Rust core and lxml.
    from vmiostat.cli.open_files import allow_open_files
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


def _parsed(parser: argparse.ArgumentParser, words: list[str]) -> argparse.Namespace:
    try:
        return parser.parse_args(words)
    finally:
        _flush_help()


def _flush_help() -> None:
    # argparse prints into the buffer of sys.stdout. If the interpreter flushed it at its end, `vmiostat --help | true`
    # would end with a message and status 120.
    if not sys.stdout:
        return
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        error.filename = "standard output"
        raise
