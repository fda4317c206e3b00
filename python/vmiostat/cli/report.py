"""`vmiostat [options] [DOMAIN ...] [interval [count]]`: a report each interval, as iostat and vmstat print them."""

from __future__ import annotations

import argparse
import math
import textwrap
import time
from itertools import islice
from typing import TYPE_CHECKING

from vmiostat.cli import arguments, qemu_queries
from vmiostat.cli.reporting import options as report_options
from vmiostat.cli.stopping import Stopped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmiostat import Host, Poller
    from vmiostat.cli.reporting.row_reader import RowReader
    from vmiostat.cli.rows import Report
    from vmiostat.cli.stopping import StopSignals

REOPEN_EVERY = 1.0
"""Seconds between two attempts to reopen devices that are gone, so that one that comes back is shown again."""

USAGE = "vmiostat [options] [DOMAIN ...] [interval [count]]\n       vmiostat devices [options] [DOMAIN ...]"
EPILOG = """\
Without an interval there is one report, of the time since the machine started.
With one, the first report is the same, and each later one covers the interval
before it. Rates are per second; kB are 1024 bytes; "-" is unknown. A row that
is not "ok" ends with its state, or is in a note under the table:
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
    made.add_argument("-y", dest="omit_first", action="store_true", help="with an interval: omit the first report")
    made.add_argument("-z", dest="hide_idle", action="store_true", help="omit idle devices")
    report_options.rows(made)
    report_options.table(made)
    qemu_queries.add_options(made)
    report_options.records(made)
    return made


def run(options: argparse.Namespace, signals: StopSignals) -> None:
    """Prints the reports."""
    qemu_queries.check(options, parser())
    report_options.check(options, parser().error)
    host, poller = _opened(options)
    from vmiostat import Error
    from vmiostat.cli.output import write
    from vmiostat.cli.reporting.form import form as form_of
    from vmiostat.cli.reporting.options import order, sections
    from vmiostat.cli.reporting.row_reader import RowReader
    from vmiostat.cli.table.average import Averages
    from vmiostat.cli.warnings import Warnings

    warnings = Warnings()
    shown = sections(options)
    with poller:
        warnings.update(poller.problems)
        if not _rows_may_come(poller):
            found = poller.domains if poller.watch is None else poller.watch.domains
            arguments.selection(options).check(found)
            if not poller.block_rows + poller.interface_rows:
                hint = (
                    ""
                    if options.root == "/"
                    else f": is {options.root} the folder that holds a machine's proc and sys?"
                )
                raise Error(
                    f"there is no {' and no '.join(section.title.lower() for section in shown)} to report{hint}"
                )
        form = form_of(options, host, shown, poller)
        averages = None if report_options.has_records(options) else Averages()
        reader = RowReader(poller, shown, options.hide_idle, options.sum, order(options), averages)
        write(form.start())
        try:
            for report in islice(reports(poller, reader, options), options.count):
                warnings.update(poller.problems)
                with signals.whole():
                    write(form.report(report))
        except Stopped as stopped:
            if stopped.exit_status == 0 and (report_ := reader.average()) is not None:  # Ctrl-C
                with signals.whole():
                    write(form.report(report_))
            raise
        if (last := reader.average()) is not None:
            with signals.whole():
                write(form.report(last))


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
    select = arguments.selection(options)
    return host, host.follow(host=options.host, select=select, qemu_interval=queries, block_source=source)


def reports(poller: Poller, reader: RowReader, options: argparse.Namespace) -> Iterator[Report]:
    """A report at each tick."""
    if options.qemu_interval is not None:
        poller.query(qemu_queries.FIRST)
    query_times = qemu_queries.QueryTimes(options.qemu_interval)
    start = time.monotonic()
    before = poller.poll()
    if options.interval is None or not options.omit_first:
        yield reader.report(before, before.rates(), since_boot=True)
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
        yield reader.report(after, after.rates(before), since_boot=False)
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
