"""Pollers share nothing: what one does costs another no more than its share of the machine."""

import hashlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from testkit.real.devices import make_veths
from vmiostat import InterfaceStats, Poller, Roots
from vmiostat.counter_sources import InterfaceSource, NetDevice

SECONDS = 0.5
POLLERS = 4


def rounds_a_second(works: list[Callable[[], object]]) -> float:
    """All together, each in a thread of its own."""
    counts = [0] * len(works)
    start = threading.Barrier(len(works) + 1)
    stop = threading.Event()

    def run(number: int) -> None:
        start.wait()
        while not stop.is_set():
            works[number]()
            counts[number] += 1

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    start.wait()
    begun = time.monotonic()
    time.sleep(SECONDS)
    stop.set()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.monotonic() - begun)


def hashing() -> Callable[[], object]:
    """Work that shares nothing and lets go of the interpreter: what the machine has cores for, just now."""
    data = bytes(1 << 18)
    return lambda: hashlib.sha256(data).digest()


def polling(poller: Poller) -> Callable[[], object]:
    memory = bytearray(InterfaceStats.SIZE * poller.interface_rows)
    return lambda: poller.poll_into(interface=memory)


@pytest.mark.parametrize("source", ["proc", "sysfs"])
def test_four_pollers_take_what_the_cores_give(namespace: Path, source: InterfaceSource) -> None:
    names = [f"ve{n}" for n in range(40)]
    make_veths([(name, f"peer-{name}") for name in names])
    rows = [("host", name, NetDevice(name), False) for name in names]
    pollers = [Poller(Roots(sys=namespace), [], rows, interface_source=source) for _ in range(POLLERS)]
    polls, hashes = [polling(poller) for poller in pollers], [hashing() for _ in pollers]
    seen = []
    for _ in range(6):  # the machine may have other work just now: once is enough
        gained = rounds_a_second(polls) / rounds_a_second(polls[:1])
        possible = rounds_a_second(hashes) / rounds_a_second(hashes[:1])
        seen.append(f"{POLLERS} pollers did {gained:.2f} times the work of one, hashing {possible:.2f}")
        if gained > 0.75 * possible:
            break
    else:
        pytest.fail("\n".join(seen))
