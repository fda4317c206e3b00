"""`vmiostat [options] [interval [count]]`: a report each interval, as iostat and vmstat give them."""

from __future__ import annotations

import argparse
import math
import textwrap
import time
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from vmiostat.cli import arguments
from vmiostat.cli.asking import Asking

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vmiostat import Host, Poller
    from vmiostat.cli.rows import Form, Kind, Report
    from vmiostat.cli.stopping import EventSources
    from vmiostat.qemu_stats.query_thread import OnDemand

REOPEN_EVERY = 1.0
"""Seconds between two attempts at devices that have gone, so that one that comes back is shown again."""

LONGEST_INTERVAL = 10**9
"""Seconds. What is longer means something else, and time.sleep would not take it."""

USAGE = "vmiostat [options] [interval [count]]\n       vmiostat devices [options]"
EPILOG = """\
Without an interval there is one report, of the time since the machine started.
With one, the first report is that too, and each further one tells of the
interval before it. Rates are per second; kB are 1024 bytes; "-" is unknown. A
row that is not "ok" ends with its state:
{states}
`vmiostat devices` tells for each device why it is "unsupported".
"""


def epilog() -> str:
    """What `--help` ends with, in lines of less than 80 columns."""
    from vmiostat import STATE_HELP, STATES

    told = [
        textwrap.fill(help_, 79, initial_indent=f"  {word:<13}", subsequent_indent=" " * 15)
        for word, help_ in zip(STATES, STATE_HELP, strict=True)
        if word != "ok"
    ]
    return EPILOG.format(states="\n".join(told))


def parser() -> arguments.Parser:
    """The options of a report."""
    made = arguments.parser(
        "",
        usage=USAGE,
        description="iostat for virtual machines: what the disks and interfaces of each domain do.",
        epilog=epilog(),
    )
    made.add_argument("interval", nargs="?", type=_interval, help="seconds between two reports; 0.001 is possible")
    made.add_argument("count", nargs="?", type=_count, help="how many reports; for ever without it")
    made.add_argument("-y", dest="omit_first", action="store_true", help="with an interval: omit the first report")
    made.add_argument("-z", dest="hide_idle", action="store_true", help="omit devices that did nothing")
    qemu = made.add_argument_group("disks that only QEMU counts")
    qemu.add_argument(
        "--qemu-interval",
        metavar="SECONDS",
        type=_interval,
        help="ask QEMU about them, beside the reports, at most every so many seconds: by a QMP socket that it offers, "
        "else by way of libvirt (-c); nobody is asked without this",
    )
    qemu.add_argument(
        "--block-source",
        choices=["kernel", "qemu"],
        default="kernel",
        help="whose counters a disk has that both the kernel and QEMU count (qemu takes --qemu-interval)",
    )
    form = made.add_mutually_exclusive_group()
    form.add_argument(
        "--json", action="store_true", help="one JSON object per report, on a line of its own; raw units (bytes, ns)"
    )
    form.add_argument(
        "--csv", action="store_true", help="one CSV record per device and report, after a header; raw units"
    )
    return made


def run(options: argparse.Namespace, signals: EventSources) -> None:
    """Prints the reports."""
    if options.block_source == "qemu" and options.qemu_interval is None:
        parser().error("--block-source qemu takes a --qemu-interval: without one no QEMU is asked")
    host, poller = _opened(options)
    from vmiostat import Error
    from vmiostat.cli.output import write
    from vmiostat.cli.rows import BLOCK, INTERFACE
    from vmiostat.cli.warnings import Warnings

    warnings = Warnings()
    kinds = [BLOCK] * (options.block or not options.interface) + [INTERFACE] * (options.interface or not options.block)
    with poller:
        warnings.tell(poller.problems)
        if not poller.block_rows + poller.interface_rows and not _rows_may_come(poller):
            hint = "" if options.root == "/" else f": is {options.root} the folder that holds a machine's proc and sys?"
            raise Error(f"there is no {' and no '.join(kind.title.lower() for kind in kinds)} to report{hint}")
        form = _form(options, host, kinds)
        write(form.start())
        for report in islice(reports(poller, kinds, options), options.count):
            warnings.tell(poller.problems)
            with signals.whole():
                write(form.report(report))


def _rows_may_come(poller: Poller) -> bool:
    """Whether the first look has not ended, and so has said nothing."""
    watch = poller.watch
    return watch is not None and not watch.changes and not watch.closed


def _opened(options: argparse.Namespace) -> tuple[Host, Poller]:
    """The machine, and what polls it: for report after report, also domains and devices that come later."""
    # Not every so many seconds: each report is to have one new answer, and not now two and then none.
    asks: OnDemand | None = None if options.qemu_interval is None else "on demand"
    source = options.block_source
    if options.interval is None:
        host, domains = arguments.find(options)
        return host, host.poller(domains, qemu_interval=asks, block_source=source)
    host = arguments.machine(options)
    select = partial(arguments.asked, options=options)
    return host, host.follow(host=options.host, select=select, qemu_interval=asks, block_source=source)


def reports(poller: Poller, kinds: Sequence[Kind], options: argparse.Namespace) -> Iterator[Report]:
    """Polls at each tick, and makes a report of it."""
    from vmiostat.cli import rows

    asking = Asking(poller, options.qemu_interval)
    asking.before_first()
    start = time.monotonic()
    asking.begin(start)
    before = poller.poll()
    asking.after_poll()
    if options.interval is None or not options.omit_first:
        yield rows.report(before, before.rates(), kinds, since_boot=True, hide_idle=options.hide_idle)
    if options.interval is None:
        return
    reopen_at = start + REOPEN_EVERY
    for now in ticks(start, options.interval):
        if now >= reopen_at:
            poller.reopen()
            reopen_at = now + REOPEN_EVERY
        after = poller.poll()
        asking.after_poll()
        yield rows.report(after, after.rates(before), kinds, since_boot=False, hide_idle=options.hide_idle)
        before = after


def ticks(start: float, interval: float) -> Iterator[float]:
    """Sleeps to the next whole number of intervals after `start`, again and again.

    Deadlines do not drift: none is reckoned from when the one before was met. One that has passed already is left out.
    """
    number = 0
    while True:
        now = time.monotonic()
        number = max(number + 1, math.ceil((now - start) / interval))
        time.sleep(max(0.0, start + number * interval - now))
        yield time.monotonic()


def _form(options: argparse.Namespace, host: Host, kinds: Sequence[Kind]) -> Form:
    if options.json:
        from vmiostat.cli.json_lines import JsonLines

        return JsonLines()
    if options.csv:
        from vmiostat.cli.csv_records import CsvRecords

        return CsvRecords(kinds)
    from vmiostat.cli.heading import heading
    from vmiostat.cli.table import Table

    return Table(heading(host), fractions=bool(options.interval and options.interval % 1))


def _interval(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        from vmiostat.cli.main import COMMANDS

        hint = f"; put it first: vmiostat {text} ..." if text in COMMANDS else ""
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds{hint}") from None
    if not 0 < seconds <= LONGEST_INTERVAL:
        raise argparse.ArgumentTypeError(
            f"{text} is no interval: it must be above 0 and at most {LONGEST_INTERVAL} seconds"
        )
    return seconds


def _count(text: str) -> int:
    try:
        count = int(text)
    except ValueError:
        count = 0
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no count: it must be a whole number, 1 at least")
    return count
