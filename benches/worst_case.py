"""The slowest poll while another process changes the network, and holds RTNL."""

import math
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial

import psutil

from benches.columns.interfaces import SOURCES, V1
from benches.machine import Machine, make_veths
from benches.sizes import Sizes
from vmiostat import Host
from vmiostat.counter_sources import InterfaceSource

WATCHED = 500
"""Of all interfaces so many: no more than whose sysfs files a process may have open."""
REMOVED = 8
"""The device group of the veths that one command removes."""
CHURN = """\
link add churn0 up type veth peer name churn1
tuntap add dev churn2 mode tap
link set churn2 up
link del churn0
tuntap del dev churn2 mode tap
"""
Poll = Callable[[], object]


@dataclass(frozen=True)
class Worst:
    """Nanoseconds of a poll."""

    name: str
    during: str
    polls: int
    p50_ns: int
    p99_ns: int
    p999_ns: int
    slowest_ns: int


def worst_cases(machine: Machine, sizes: Sizes) -> list[Worst]:
    """Of each interface source and of psutil, one after the other, so that none waits for another."""
    host = machine.host(machine.interfaces[:WATCHED], [])
    names = [*SOURCES, "psutil"]
    pairs = f"{sizes.pairs:,} pairs of veths are removed at once"
    found = []
    for name in names:
        with _opened(host, name) as poll:
            found.append(_worst(name, "quiet", _polls_for(poll, sizes)))
            with _churn(machine):
                found.append(_worst(name, "interfaces come and go", _polls_for(poll, sizes)))
        found.append(_worst(name, pairs, _polls_while_removing(host, name, sizes)))
    return sorted(found, key=lambda worst: ("quiet", "interfaces come and go", pairs).index(worst.during))


def _worst(name: str, during: str, times: list[int]) -> Worst:
    times.sort()
    p50, p99, p999 = (times[math.ceil(share * len(times)) - 1] for share in (0.5, 0.99, 0.999))
    return Worst(name, during, len(times), p50, p99, p999, times[-1])


@contextmanager
def _opened(host: Host, name: str) -> Iterator[Poll]:
    if name == "psutil":
        yield partial(psutil.net_io_counters, pernic=True, nowrap=False)
        return
    source: InterfaceSource = next(source for source in SOURCES if source == name)
    with closing(host.poller(interface_source=source)) as poller:
        memory = bytearray(V1 * poller.interface_rows)
        poll = partial(poller.poll_into, interface=memory, interface_size=V1)
        poll()
        yield poll


def _polls_for(poll: Poll, sizes: Sizes) -> list[int]:
    end = time.monotonic() + sizes.worst_seconds
    return _polls(poll, sizes.rate, lambda: time.monotonic() < end)


def _polls_while_removing(host: Host, name: str, sizes: Sizes) -> list[int]:
    times = []
    for _ in range(sizes.removals):
        make_veths(REMOVED, [(f"gone{at}", f"gone-peer{at}") for at in range(sizes.pairs)])
        removal = ["ip", "link", "del", "group", str(REMOVED)]
        with _opened(host, name) as poll, subprocess.Popen(removal) as running:
            times += _polls(poll, sizes.rate, lambda: running.poll() is None)
        if running.returncode != 0:
            raise subprocess.CalledProcessError(running.returncode, removal)
    return times


def _polls(poll: Poll, rate: int, while_: Callable[[], bool]) -> list[int]:
    """Nanoseconds of each poll; one whose turn comes while the one before still runs is left out."""
    times = []
    period = 1 / rate
    turn = time.monotonic()
    while True:
        start = time.perf_counter_ns()
        poll()
        times.append(time.perf_counter_ns() - start)
        if not while_():
            return times
        turn = max(turn + period, time.monotonic())  # a turn that was missed is not made up for
        time.sleep(max(0.0, turn - time.monotonic()))


@contextmanager
def _churn(machine: Machine) -> Iterator[None]:
    """Another process makes a tap and a pair of veths and removes them, over and over."""
    commands = machine.folder / "churn"
    commands.write_text(CHURN * 100)
    loop = ["sh", "-c", 'while ip -batch "$0"; do :; done', str(commands)]
    with subprocess.Popen(loop, start_new_session=True) as process:
        try:
            yield
            if process.poll() is not None:
                raise RuntimeError(f"the churn has ended by itself: exit code {process.returncode}")
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            for name in ("churn0", "churn2"):  # what it had just made
                subprocess.run(["ip", "link", "del", name], stderr=subprocess.DEVNULL, check=False)
