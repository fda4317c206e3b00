"""The process that faults are put into. Each line of its standard input is a call, as JSON; each line that it prints is
what came of it.

Between a call and its answer it does nothing but the call: so what strace changes are system calls of vmiostat's.
"""

import json
import sys
from pathlib import Path
from typing import Literal

from testkit.counters_of import counters_of
from vmiostat import BlockStats, Host, InterfaceStats, Poller
from vmiostat.counter_sources import InterfaceSource
from vmiostat.model import Domain
from vmiostat.watching import event_sources

host: Host | None = None
domains: list[Domain] = []
poller: Poller | None = None


def opened() -> Poller:
    assert poller is not None
    return poller


def discover(xml: str, roots: dict[str, str]) -> tuple[int, list[str]]:
    """How many domains the XML defines, and what kept it from finding more."""
    global host, domains
    host = Host(xml=xml, **roots)  # type: ignore[arg-type]
    domains = host.domains()
    return len(domains), [str(problem) for problem in host.problems]


def open_poller(source: InterfaceSource) -> None:
    """Opens the domains' counters."""
    global poller
    assert host is not None
    if poller is not None:
        poller.close()
    poller = host.poller(domains, interface_source=source)


def follow(xml: str, roots: dict[str, str]) -> list[str]:
    """Opens a poller that follows what the XML defines; what it cannot notice at once."""
    global poller
    event_sources._RETRY = 0.1
    if poller is not None:
        poller.close()
    poller = Host(xml=xml, **roots).follow(interval=0.3)  # type: ignore[arg-type]
    return problems()


def problems() -> list[str]:
    """Of the poller that follows."""
    assert poller is not None
    return [str(problem) for problem in poller.problems]


def sources() -> list[str]:
    return [explained.source for explained in opened().explain()]


def poll() -> list[list[object]]:
    """Each row: its table, state, generation, counters, and what is said of it."""
    sample = opened().poll()
    return [told("block", row, stats) for row, stats in enumerate(sample.block)] + [
        told("interface", row, stats) for row, stats in enumerate(sample.interface)
    ]


def told(kind: Literal["block", "interface"], row: int, stats: BlockStats | InterfaceStats) -> list[object]:
    problem = opened().problem(kind, row)
    return [kind, stats.state, stats.generation, counters_of(stats), problem and str(problem)]


def reopen() -> int:
    return opened().reopen()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) - 1


CALLS = {
    "discover": discover,
    "open": open_poller,
    "follow": follow,
    "problems": problems,
    "sources": sources,
    "poll": poll,
    "reopen": reopen,
    "descriptors": descriptors,
}

if __name__ == "__main__":
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        try:
            answer = [True, CALLS[name](*arguments)]  # type: ignore[operator]
        except Exception as error:
            answer = [False, f"{type(error).__name__}: {error}"]
        print(json.dumps(answer), flush=True)
