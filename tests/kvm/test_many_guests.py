"""A hundred guests: found at once, read hundreds of times faster than libvirt does, and nobody else works for it."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from lab.kvm.running_lab import RunningLab
from testkit.beside_libvirt import GROUPS, known_to_the_kernel, libvirt_stats
from testkit.measured import Measured
from vmiostat import Host

GUESTS = 100
pytestmark = pytest.mark.timeout(300)  # the first test waits for the guests


@pytest.fixture(scope="module")
def hundred(lab: RunningLab) -> Iterator[RunningLab]:
    """The lab with a hundred guests, all quiet."""
    lab.up(GUESTS)
    try:
        with lab.quiet():
            yield lab
    finally:
        lab.up()


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def test_all_are_found(hundred: RunningLab, host: Host, connection: Any, measured: Measured) -> None:
    found = hundred.domains(host)
    assert len(found) == GUESTS
    names = set()
    for name, domain in found.items():
        told = connection.lookupByName(name)
        assert (domain.id, domain.uuid) == (told.ID(), told.UUIDString())
        assert {disk.target: disk.counter_source is not None for disk in domain.disks}["vda"]
        assert domain.interfaces[0].counter_source is not None
        names.add(domain.interfaces[0].target)
    assert len(names) == GUESTS
    first, again = seconds(Host(run=hundred.run).domains), seconds(host.domains)
    measured(f"discovery of {GUESTS} guests: {first * 1e3:.0f} ms, again: {again * 1e3:.0f} ms")
    assert max(first, again) < 20


@pytest.mark.timing
def test_a_poll_beside_libvirt(hundred: RunningLab, host: Host, connection: Any, measured: Measured) -> None:
    domains = [known_to_the_kernel(domain) for domain in hundred.domains(host).values()]

    def ask() -> list[Any]:
        told: list[Any] = connection.getAllDomainStats(GROUPS)
        return told

    with host.poller(domains) as poller:
        sample, told = poller.poll(), {one.name(): stats for one, stats in ask()}
        assert {row.state for row in sample.block} == {"ok"}
        for name, device, row in zip(sample.interface.domains, sample.interface.devices, sample.interface, strict=True):
            assert tuple(row.v1) == libvirt_stats(device, told[name])
        # Alternately, so that both see the same load.
        theirs, ours = [], []
        for _ in range(7):
            theirs.append(seconds(ask))
            ours += [seconds(poller.poll) for _ in range(30)]
    faster = median(theirs) / median(ours)
    measured(
        f"{GUESTS} guests' {len(sample.interface)} interfaces and {len(sample.block)} block devices: "
        f"getAllDomainStats {median(theirs) * 1e3:.1f} ms, poll {median(ours) * 1e6:.0f} us: {faster:.0f} x"
    )
    assert faster >= 500


def processor_times(pids: list[int]) -> dict[str, int]:
    """Nanoseconds that each thread of these processes has run (Documentation/scheduler/sched-stats.rst)."""
    times = {}
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):  # QEMU ends threads that have been idle
                times[task.name] = int((task / "schedstat").read_text().split()[0])
    return times


@pytest.mark.timing
def test_nobody_else_works_for_a_poll(hundred: RunningLab, host: Host, connection: Any, measured: Measured) -> None:
    # vm1 runs, and so its QEMU works on its own; the others stand still, and so do theirs.
    libvirtd = hundred.libvirtd()
    assert libvirtd is not None
    others = [libvirtd, *(pid for name, pid in hundred.pids().items() if name != hundred.RICH)]
    assert len(others) == GUESTS

    def spent(work: Callable[[], object]) -> int:
        start = processor_times(others)
        work()
        return sum(time - start.get(thread, 0) for thread, time in processor_times(others).items())

    with host.poller() as poller:

        def polls() -> None:
            for _ in range(1000):
                poller.poll()

        span = seconds(polls)
        rests, works = zip(*((spent(lambda: time.sleep(span)), spent(polls)) for _ in range(5)), strict=True)
    one_question = spent(connection.getAllDomainStats)
    measured(
        f"processor time of libvirtd and {GUESTS - 1} QEMUs: {median(works) / 1e6:.2f} ms in 1,000 polls, "
        f"{median(rests) / 1e6:.2f} ms in a rest of that length, {one_question / 1e6:.0f} ms in one getAllDomainStats"
    )
    assert one_question > 10_000_000, "this measure sees nothing"
    assert median(works) <= median(rests) + 1_000_000
