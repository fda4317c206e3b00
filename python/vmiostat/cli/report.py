"""`vmiostat [options] [interval [count]]`: a report each interval, as iostat and vmstat print them."""

from __future__ import annotations

import argparse
import math
import textwrap
import time
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from vmiostat.cli import arguments, qemu_queries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vmiostat import Host, Poller
    from vmiostat.cli.rows import Form, Report, Section
    from vmiostat.cli.stopping import StopSignals

REOPEN_EVERY = 1.0
"""Seconds between two attempts to reopen devices that are gone, so that one that comes back is shown again."""

USAGE = "vmiostat [options] [interval [count]]\n       vmiostat devices [options]"
EPILOG = """\
Without an interval there is one report, of the time since the machine started.
With one, the first report is the same, and each later one covers the interval
before it. Rates are per second; kB are 1024 bytes; "-" is unknown. A row that
is not "ok" ends with its state:
{states}
`vmiostat devices` shows why a device has no counters.
"""


def epilog() -> str:
    """The end of `--help`, in lines of less than 80 columns."""
    from vmiostat import STATE_HELP, STATES

    states = [
        textwrap.fill(help_, 79, initial_indent=f"  {word:<13}", subsequent_indent=" " * 15)
        for word, help_ in zip(STATES, STATE_HELP, strict=True)
        if word != "ok"
    ]
    return EPILOG.format(states="\n".join(states))


def parser() -> arguments.Parser:
    """The options of a report."""
    made = arguments.parser(
        "",
        usage=USAGE,
        description="iostat for virtual machines: disk and network rates of each domain.",
        epilog=epilog(),
    )
    made.add_argument(
        "interval", nargs="?", type=arguments.interval, help="seconds between two reports; 0.001 is possible"
    )
    made.add_argument("count", nargs="?", type=_count, help="how many reports; without it they do not end")
    made.add_argument("-y", dest="omit_first", action="store_true", help="with an interval: omit the first report")
    made.add_argument("-z", dest="hide_idle", action="store_true", help="omit idle devices")
    qemu_queries.add_options(made)
    form = made.add_mutually_exclusive_group()
    form.add_argument(
        "--json",
        action="store_true",
        help="one JSON object per report, each on a line of its own; raw units (bytes, ns)",
    )
    form.add_argument(
        "--csv", action="store_true", help="one CSV record per device and report, after a header; raw units"
    )
    form.add_argument(
        "--csv-text",
        action="store_true",
        help="the same for spreadsheets: a name that they would take for a formula has a ' before it",
    )
    return made


def run(options: argparse.Namespace, signals: StopSignals) -> None:
    """Prints the reports."""
    qemu_queries.check(options, parser())
    host, poller = _opened(options)
    from vmiostat import Error
    from vmiostat.cli.output import write
    from vmiostat.cli.rows import BLOCK, INTERFACE
    from vmiostat.cli.warnings import Warnings

    warnings = Warnings()
    sections = [BLOCK] * (options.block or not options.interface) + [INTERFACE] * (
        options.interface or not options.block
    )
    with poller:
        warnings.update(poller.problems)
        if not poller.block_rows + poller.interface_rows and not _rows_may_come(poller):
            hint = "" if options.root == "/" else f": is {options.root} the folder that holds a machine's proc and sys?"
            raise Error(f"there is no {' and no '.join(section.title.lower() for section in sections)} to report{hint}")
        form = _form(options, host, sections)
        write(form.start())
        for report in islice(reports(poller, sections, options), options.count):
            warnings.update(poller.problems)
            with signals.whole():
                write(form.report(report))


def _rows_may_come(poller: Poller) -> bool:
    """Whether the first scan has not ended."""
    watch = poller.watch
    return watch is not None and not watch.changes and not watch.closed


def _opened(options: argparse.Namespace) -> tuple[Host, Poller]:
    """The machine, and a poller; one that follows changes where there will be several reports."""
    queries, source = qemu_queries.on_demand(options), options.block_source
    if options.interval is None:
        host, domains = arguments.find(options)
        return host, host.poller(domains, qemu_interval=queries, block_source=source)
    host = arguments.machine(options)
    select = partial(arguments.selected, options=options)
    return host, host.follow(host=options.host, select=select, qemu_interval=queries, block_source=source)


def reports(poller: Poller, sections: Sequence[Section], options: argparse.Namespace) -> Iterator[Report]:
    """A report at each tick."""
    from vmiostat.cli import rows

    if options.qemu_interval is not None:
        poller.query(qemu_queries.FIRST)
    query_times = qemu_queries.QueryTimes(options.qemu_interval)
    start = time.monotonic()
    before = poller.poll()
    if options.interval is None or not options.omit_first:
        yield rows.report(poller, before, before.rates(), sections, since_boot=True, hide_idle=options.hide_idle)
    if options.interval is None:
        return
    reopen_at = start + REOPEN_EVERY
    for tick in ticks(start, options.interval):
        if (lead := query_times.lead(tick - start, options.interval)) is not None:
            sleep_until(tick - lead)
            poller.query()
        sleep_until(tick)
        if time.monotonic() >= reopen_at:
            poller.reopen()
            reopen_at = time.monotonic() + REOPEN_EVERY
        after = poller.poll()
        yield rows.report(poller, after, after.rates(before), sections, since_boot=False, hide_idle=options.hide_idle)
        before = after


def ticks(start: float, interval: float) -> Iterator[float]:
    """The next whole number of intervals after `start`, again and again.

    So the ticks do not drift. Ticks that have passed already are skipped.
    """
    number = 0
    while True:
        number = max(number + 1, math.ceil((time.monotonic() - start) / interval))
        yield start + number * interval


def sleep_until(end: float) -> None:
    """Sleeps until this time of the monotonic clock, if it has not passed."""
    time.sleep(max(0.0, end - time.monotonic()))


def _form(options: argparse.Namespace, host: Host, sections: Sequence[Section]) -> Form:
    if options.json:
        from vmiostat.cli.json_lines import JsonLines

        return JsonLines()
    if options.csv or options.csv_text:
        from vmiostat.cli.csv_records import CsvRecords

        return CsvRecords(sections, as_text=options.csv_text)
    from vmiostat.cli.heading import heading
    from vmiostat.cli.table import Table

    return Table(heading(host), fractions=bool(options.interval and options.interval % 1))


def _count(text: str) -> int:
    try:
        count = int(text)
    except ValueError:
        count = 0
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a count: it must be a whole number, at least 1")
    return count
