"""The options of the command, from its own parsers."""

import argparse
from collections.abc import Iterator
from typing import NamedTuple

from vmiostat.cli import devices, report
from vmiostat.cli.choose.order import NAMES, values
from vmiostat.cli.choose.words import COMMANDS
from vmiostat.cli.rows import BLOCK, INTERFACE

PARSERS = {"": report.parser, "devices": devices.parser}
assert PARSERS.keys() - {""} == COMMANDS.keys()


class Option(NamedTuple):
    """One option."""

    group: str
    flags: tuple[str, ...]
    metavar: str | None
    """None without a value."""
    values: tuple[str, ...]
    """Those that are possible, as far as they can be listed."""
    help: str

    @property
    def takes_path(self) -> bool:
        return self.metavar in ("PATH", "DIR")


def parser(command: str) -> argparse.ArgumentParser:
    """That of a command; "" is a report."""
    return PARSERS[command]()


def options(command: str) -> Iterator[Option]:
    """The options of a command, in the order of its help."""
    made = parser(command)
    for group in made._action_groups:
        for action in group._group_actions:
            if not action.option_strings:
                continue
            metavar = None
            choices = tuple(map(str, action.choices or ()))
            if action.nargs != 0:
                metavar = str(action.metavar or "|".join(choices))
            if metavar == "FIELD":
                choices = (*NAMES, *dict.fromkeys([*values(BLOCK), *values(INTERFACE)]))
            yield Option(str(group.title), tuple(action.option_strings), metavar, choices, str(action.help))
