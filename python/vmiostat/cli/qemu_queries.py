"""When a command queries QEMU: some time before a report, so that there is time for the answers.

Each answer then comes about as long before its report as any other, so that an interval between two answers, the first
one too, is about as long as one between their reports.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from vmiostat.cli.choose.words import interval

if TYPE_CHECKING:
    import argparse

    from vmiostat import OnDemand
    from vmiostat.cli import arguments

FIRST = 3.0
"""Seconds that the first report waits for answers, without which it would say nothing: more than a query's deadline."""
LEAD = 1.0
"""Seconds before a report, at most; at most half of its interval, since the first answer came before all reports."""


def add_options(parser: arguments.Parser) -> None:
    """The options about QEMU's own counters."""
    qemu = parser.add_argument_group("disks that only QEMU counts")
    qemu.add_argument(
        "--qemu-interval",
        metavar="SECONDS",
        type=interval,
        help="query QEMU for them, at most this often: over a QMP socket that it offers, else through libvirt (-c); "
        "without this option no QEMU is queried",
    )
    qemu.add_argument(
        "--block-source",
        choices=["kernel", "qemu"],
        default="kernel",
        help="whose counters to take for a disk that both the kernel and QEMU count (qemu needs --qemu-interval)",
    )


def check(options: argparse.Namespace, parser: arguments.Parser) -> None:
    """Ends the command if the options contradict each other."""
    if options.block_source == "qemu" and options.qemu_interval is None:
        parser.error("--block-source qemu needs --qemu-interval: without it no QEMU is queried")


def on_demand(options: argparse.Namespace) -> OnDemand | None:
    """Whether QEMUs are queried: on demand, so that each report has exactly one new answer."""
    return None if options.qemu_interval is None else "on demand"


class QueryTimes:
    """When to query, at most once every `interval` seconds; never where that is None."""

    def __init__(self, interval: float | None) -> None:
        self._interval = interval or math.inf
        self._passed = 0

    def lead(self, time: float, interval: float) -> float | None:
        """How long before the report at this time to query; None if the last answer is for this report, too.

        Both are in seconds: the time since the first report, and the interval of the reports.

        >>> times = QueryTimes(2.0)
        >>> [times.lead(time, 0.5) for time in (0.5, 1.0, 1.5, 2.0, 2.5)]
        [None, None, None, 0.25, None]
        """
        passed = math.floor(time / self._interval + 1e-6)  # 0.3 / 0.1 is 2.9999999999999996
        if passed == self._passed:
            return None
        self._passed = passed
        return min(LEAD, interval / 2)
