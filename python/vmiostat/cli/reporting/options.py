"""The options of a report: which rows, how a table shows them, and records."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NoReturn

from vmiostat.cli.choose import words
from vmiostat.cli.choose.shown_names import CHOICES

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmiostat.cli.choose.order import Order
    from vmiostat.cli.rows import Section


def rows(made: argparse.ArgumentParser) -> None:
    """Which rows, and in which order."""
    group = made.add_argument_group("which rows")
    group.add_argument(
        "--sort",
        metavar="FIELD",
        help="the highest first (-FIELD: the lowest): domain, device, a heading (wkB/s) or a field (wr_bytes)",
    )
    group.add_argument("--limit", metavar="N", type=words.count, help="at most N rows of each table")
    group.add_argument("--sum", action="store_true", help="a row for all disks and one for all interfaces of a VM")


def table(made: argparse.ArgumentParser) -> None:
    """How a table looks."""
    group = made.add_argument_group("the table")
    group.add_argument("-x", dest="extended", action="store_true", help="latencies, sizes, merges, errors, drops")
    size = group.add_mutually_exclusive_group()
    size.add_argument("-m", dest="megabytes", action="store_true", help="megabytes (of 1024 kB) in place of kilobytes")
    size.add_argument("--human", action="store_true", help="each number with the unit that fits it: 1.2M")
    group.add_argument("--bits", action="store_true", help="bits of interfaces: kbit is 1000 bits")
    group.add_argument("--dec", metavar="N", type=int, choices=range(4), default=2, help="decimals: 0, 1, 2 or 3")
    group.add_argument("--time", action="store_true", help="the time and the kind of device on each line")
    group.add_argument(
        "--names",
        choices=CHOICES,
        default="libvirt",
        help="which name of a domain to show: its own, its title, OpenStack's; auto is the last of these that it has",
    )


def records(made: argparse.ArgumentParser) -> None:
    """Output for programs."""
    group = made.add_argument_group("records for programs, in raw units (bytes, ns)")
    form = group.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object per report, each on a line of its own")
    form.add_argument("--csv", action="store_true", help="one CSV record per device and report, after a header")
    form.add_argument(
        "--csv-text",
        action="store_true",
        help="the same for spreadsheets: a name that they would take for a formula has a ' before it",
    )
    group.add_argument("--fields", metavar="LIST", help="only these: domain,device,rd_bytes/s (/s is a rate)")
    group.add_argument("--no-header", action="store_true", help="CSV without its header, to append to a file")


def has_records(options: argparse.Namespace) -> bool:
    """Whether the reports are records, and no tables."""
    return bool(options.json or options.csv or options.csv_text)


def sections(options: argparse.Namespace) -> list[Section]:
    """The tables of a report."""
    from vmiostat.cli.rows import BLOCK, INTERFACE

    both = options.block == options.interface
    return [BLOCK] * (both or options.block) + [INTERFACE] * (both or options.interface)


def order(options: argparse.Namespace) -> Order:
    """The order of the rows."""
    from vmiostat.cli.choose.order import order as of

    return of(options.sort, options.limit)


def check(options: argparse.Namespace, error: Callable[[str], NoReturn]) -> None:
    """Ends with an error where options contradict each other."""
    if options.fields is not None and not has_records(options):
        error("--fields needs --json or --csv: a table has columns of its own (-x)")
    if options.no_header and not (options.csv or options.csv_text):
        error("--no-header needs --csv")
    try:
        order(options)
        if options.fields is not None:
            from vmiostat.cli.records.record import chosen_fields

            options.fields = chosen_fields(options.fields, sections(options))
    except argparse.ArgumentTypeError as wrong:
        error(str(wrong))
