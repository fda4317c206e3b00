"""The man page vmiostat(1), from the parsers of the command."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from docs.generate.options import options, parser
from vmiostat.cli.choose.words import COMMANDS

PATH = Path(__file__).parents[2] / "share.data/data/share/man/man1/vmiostat.1"

STATUS = {
    "0": "The count was reached, Ctrl-C, or the reader closed the pipe.",
    "1": "An error: one sentence on standard error.",
    "2": "A wrong option or argument: likewise.",
    "143": "SIGTERM.",
}


def text() -> str:
    """The page."""
    return "\n".join(lines()) + "\n"


def lines() -> Iterator[str]:
    """Its lines."""
    made = parser("")
    yield ".TH VMIOSTAT 1"
    yield from (".SH NAME", r"vmiostat \- disk and network rates of each virtual machine")
    yield ".SH SYNOPSIS"
    yield from (".nf", *(roff(line.strip()) for line in str(made.usage).splitlines()), ".fi")
    yield from (".SH DESCRIPTION", roff(str(made.description)), ".PP")
    yield from (".nf", *(roff(line) for line in str(made.epilog).splitlines()), ".fi")
    yield ".SH OPTIONS"
    yield from _options("")
    for command, purpose in COMMANDS.items():
        yield from (f".SH VMIOSTAT {roff(command.upper())}", roff(purpose[0].upper() + purpose[1:]) + ".", ".PP")
        yield "Of the options above it takes:"
        known = {option.flags for option in options("")}
        yield roff(", ".join(option.flags[-1] for option in options(command) if option.flags in known) + ".")
        yield from (".PP", ".nf", *(roff(line) for line in str(parser(command).epilog).splitlines()), ".fi")
    yield ".SH EXIT STATUS"
    for status, meaning in STATUS.items():
        yield from (".TP", status, roff(meaning))
    yield from (".SH SEE ALSO", ".BR iostat (1), sar (1), virsh (1), virt-top (1)")


def _options(command: str) -> Iterator[str]:
    for group, its in groupby(options(command), lambda option: option.group):
        yield f".SS {roff(group[0].upper() + group[1:])}"
        for option in its:
            flags = ", ".join(rf"\fB{roff(flag)}\fR" for option in [option] for flag in option.flags)
            yield from (".TP", flags + (rf" \fI{roff(option.metavar)}\fR" if option.metavar else ""), roff(option.help))


def roff(line: str) -> str:
    """A line of text as roff reads it: a hyphen that can be copied, and no request by accident."""
    escaped = line.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{escaped}" if escaped.startswith((".", "'")) else escaped


if __name__ == "__main__":
    PATH.write_text(text())
