"""Runs a command. The exit status is 0, 1 after an error, or 2 for wrong arguments."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from vmiostat.cli.choose.words import COMMANDS
from vmiostat.cli.output import use_utf8
from vmiostat.cli.stopping import Stopped, StopSignals

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command that the arguments name, and returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    use_utf8()
    command = words.pop(0) if words and words[0] in COMMANDS else "report"
    try:
        with StopSignals() as signals:
            return _run(command, words, signals)
    except Stopped as stopped:
        return stopped.exit_status
    except BrokenPipeError:  # the reader has seen enough: head, less
        return 0


def _run(command: str, words: list[str], signals: StopSignals) -> int:
    from vmiostat.cli.output import complain, sentence, write

    module = import_module(f"vmiostat.cli.{command}")
    try:
        options = module.parser().parse_args(words)
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
