"""Disks that only QEMU counts, beside a real libvirtd: what libvirt says of them, and what becomes of the others while
guests or libvirtd itself stand still.
"""

import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from lab.kvm.running_lab import RunningLab
from testkit.measured import Measured
from testkit.polls import Polls
from testkit.until import until
from vmiostat import BlockStats, Domain, Host, Poller, Roots, Sample
from vmiostat._core import LatestStats
from vmiostat.counter_sources import VmmReported
from vmiostat.qemu_stats.libvirt_client import LibvirtClient, LibvirtStats
from vmiostat.qemu_stats.query_thread import QueryThread

ONLY_QEMU_S = ("vdb", "sda", "hdc")
"""vm1's disks in a qcow2 image and a raw file, and its empty cdrom."""
INTERVAL = 0.5
LIBVIRT_S = {
    "rd_req": "rd_operations",
    "rd_bytes": "rd_bytes",
    "rd_time": "rd_total_times",
    "wr_req": "wr_operations",
    "wr_bytes": "wr_bytes",
    "wr_time": "wr_total_times",
    "fl_req": "flush_operations",
    "fl_time": "flush_total_times",
}
"""Our name of a counter, and that of virDomainBlockStatsFlags."""


@pytest.fixture
def by_libvirt(lab: RunningLab) -> Host:
    """The same machine, where libvirt may be asked, too."""
    return Host(run=lab.run, libvirt=lab.uri)


def guests(lab: RunningLab, host: Host, *names: str) -> list[Domain]:
    found = lab.domains(host)
    return [found[name] for name in names or sorted(found)]


def check_counters(row: BlockStats, told: dict[str, int]) -> None:
    assert row.state == "ok"
    assert {ours: getattr(row, ours) for ours in LIBVIRT_S} == {ours: told[name] for ours, name in LIBVIRT_S.items()}


def check_sizes(row: BlockStats, stats: dict[str, Any], target: str) -> None:
    """Against virsh domstats --block, which leaves out what is not known."""
    [number] = [key.split(".")[1] for key, value in stats.items() if key.endswith(".name") and value == target]
    for name in ("allocation", "capacity", "physical"):
        told = stats.get(f"block.{number}.{name}", -1)
        assert getattr(row, name) == told, f"{target} {name}"


def statistics_of(connection: Any, name: str) -> dict[str, Any]:
    import libvirt

    [(_, stats)] = connection.domainListGetStats([connection.lookupByName(name)], libvirt.VIR_DOMAIN_STATS_BLOCK)
    return dict(stats)


def write_and_read(lab: RunningLab) -> None:
    for disk in ("vdb", "sda"):
        lab.guest(f"dd if=/dev/zero of=/dev/{disk} bs=64k count=20 oflag=direct conv=notrunc,fsync")
        lab.guest(f"dd if=/dev/{disk} of=/dev/null bs=4k count=50 iflag=direct")


def test_by_its_second_monitor_they_are_what_libvirt_says(lab: RunningLab, host: Host, connection: Any) -> None:
    told = connection.lookupByName(lab.RICH)
    with lab.quiet(), host.poller(guests(lab, host, lab.RICH), qemu_interval="on demand") as poller:
        write_and_read(lab)
        assert poller.query(10.0)
        block = poller.poll().block
        stats = statistics_of(connection, lab.RICH)
        for target in ONLY_QEMU_S:
            check_counters(block[lab.RICH, target], told.blockStatsFlags(target))
            check_sizes(block[lab.RICH, target], stats, target)
        assert block[lab.RICH, "vdb"].wr_bytes >= 20 << 16
        # What both count is the kernel's row, with a device's size.
        assert block[lab.RICH, "vda"].busy_time >= 0
        check_sizes_of_a_device(block[lab.RICH, "vda"], stats)


def check_sizes_of_a_device(row: BlockStats, stats: dict[str, Any]) -> None:
    assert (row.allocation, row.capacity) == (-1, stats["block.0.capacity"])
    assert row.physical == stats["block.0.physical"]


def test_qemu_s_counters_of_a_block_disk_where_they_are_asked_for(
    lab: RunningLab, by_libvirt: Host, connection: Any
) -> None:
    told = connection.lookupByName(lab.RICH)
    domains = guests(lab, by_libvirt)
    with lab.quiet(), by_libvirt.poller(domains, qemu_interval="on demand", block_source="qemu") as poller:
        assert poller.query(10.0)
        block = poller.poll().block
        check_counters(block[lab.RICH, "vda"], told.blockStatsFlags("vda"))
        check_sizes(block[lab.RICH, "vda"], statistics_of(connection, lab.RICH), "vda")
        # These have no second monitor: libvirt is asked.
        check_counters(block["vm2", "vda"], connection.lookupByName("vm2").blockStatsFlags("vda"))
        check_sizes(block["vm2", "vda"], statistics_of(connection, "vm2"), "vda")
        assert any("libvirt" in one.source or "QMP" in one.source for one in poller.explain())


def test_by_way_of_libvirt_they_are_what_libvirt_says(lab: RunningLab, host: Host, connection: Any) -> None:
    [vm1] = guests(lab, host, lab.RICH)
    assert vm1.uuid is not None
    roots = Roots()
    stats = LibvirtStats(lab.uri, roots)
    targets = {LatestStats("libvirt"): target for target in ONLY_QEMU_S}
    thread = QueryThread("on demand", 5.0)
    thread.set_clients([LibvirtClient(stats, vm1.uuid, vm1.process, targets)])
    with lab.quiet():
        write_and_read(lab)
        assert thread.query(10.0)
        told = connection.lookupByName(lab.RICH)
        rows = [(lab.RICH, target, VmmReported(latest)) for latest, target in targets.items()]
        with Poller(roots, rows, []) as poller:
            block = poller.poll().block
        for target in ONLY_QEMU_S:
            check_counters(block[lab.RICH, target], told.blockStatsFlags(target))
            check_sizes(block[lab.RICH, target], statistics_of(connection, lab.RICH), target)
    thread.close()
    stats.close()


@contextmanager
def stopped(*pids: int) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def states(sample: Sample, guest: str, *disks: str) -> set[str]:
    return {sample.block[guest, disk].state for disk in disks}


def durations(polls: Polls, count: int) -> list[float]:
    """Seconds that each of the next polls takes."""
    since = len(polls.seen)
    until(lambda: len(polls.seen) >= since + count, count * 0.1)
    return [poll.ended - poll.began for poll in polls.seen[since : since + count]]


def usual(polls: Polls, count: int) -> list[float]:
    """As `durations`, of three times the one whose slowest poll is neither the best nor the worst."""
    return sorted((durations(polls, count) for _ in range(3)), key=max)[1]


def not_slower(polls: Polls, count: int, before: list[float]) -> list[float]:
    """As `durations`, not slower than half as much again as before.

    A busy machine delays one poll of a thousand now and then, by little, and no guest does that. What a guest does is
    there each time: one time of five has to be without.
    """
    tries = []
    for _ in range(5):
        took = durations(polls, count)
        tries.append(shown(took))
        assert max(took) < max(before) + 0.05, tries
        if statistics.median(took) <= 1.5 * statistics.median(before) and max(took) <= 1.5 * max(before):
            return took
    raise AssertionError(f"before: {shown(before)}; now: {'; '.join(tries)}")


def shown(took: list[float]) -> str:
    return f"median {statistics.median(took) * 1e6:.0f} us, longest {max(took) * 1e3:.2f} ms"


def age(sample: Sample, guest: str) -> float:
    """Seconds since the guest's disk was answered about."""
    return (time.monotonic_ns() - sample.block[guest, "vda"].time_ns) / 1e9


@contextmanager
def opened(lab: RunningLab, host: Host, *, follow: bool) -> Iterator[Poller]:
    """A poller of the lab's guests, all of whose disks QEMU is asked about."""
    if not follow:
        with host.poller(guests(lab, host), qemu_interval=INTERVAL, block_source="qemu") as poller:
            yield poller
        return
    ours = set(lab.pids().values())

    def select(domain: Domain) -> Domain | None:
        return domain if domain.process is not None and domain.process.pid in ours else None

    with host.follow(interval=1.0, select=select, qemu_interval=INTERVAL, block_source="qemu") as poller:
        yield poller


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("follow", "count"), [(False, 1000), (True, 300)])
@pytest.mark.timing
def test_a_guest_and_then_libvirtd_stand_still(
    lab: RunningLab, by_libvirt: Host, connection: Any, measured: Measured, *, follow: bool, count: int
) -> None:
    import libvirt

    pids, daemon = lab.pids(), lab.libvirtd()
    assert daemon is not None
    with opened(lab, by_libvirt, follow=follow) as poller, Polls(poller.poll) as polls:
        every = sorted(pids)
        polls.wait_for(lambda sample: {state for name in every for state in states(sample, name, "vda")} == {"ok"})
        before = usual(polls, count)
        with stopped(pids["vm2"]):
            # What others wait for is shown once.
            theirs = None if follow else Answer(lambda: libvirt.open(lab.uri).lookupByName("vm2").blockStats("vda"))
            polls.wait_for(lambda sample: states(sample, "vm2", "vda") == {"stale"})
            began, first = time.monotonic(), age(polls.seen[-1].sample, "vm2")
            one_stopped = not_slower(polls, count, before)
            last = polls.seen[-1].sample
            assert states(last, lab.RICH, "vda", *ONLY_QEMU_S) == states(last, "vm3", "vda") == {"ok"}
            assert states(last, "vm2", "vda") == {"stale"}
            grown, passed = age(last, "vm2") - first, time.monotonic() - began
            assert abs(grown - passed) < 0.5
            assert passed > 0.009 * count
            if theirs is not None:
                theirs.wait(31)
            with stopped(daemon):
                polls.wait_for(lambda sample: states(sample, "vm3", "vda") == {"stale"})
                both_stopped = not_slower(polls, count, before)
                # What has a monitor of its own does not need libvirtd.
                assert states(polls.seen[-1].sample, lab.RICH, "vda", *ONLY_QEMU_S) == {"ok"}
        polls.wait_for(
            lambda sample: {state for name in every for state in states(sample, name, "vda")} == {"ok"}, within=60
        )
    if theirs is not None:
        assert theirs.wait(60) > 30, "libvirt's own client waits all this time"
    for name, took in (("nobody", before), ("a guest", one_stopped), ("libvirtd, too", both_stopped)):
        measured(f"polls{' that follow' * follow}, what stands still: {name}: {shown(took)}")
    if theirs is not None:
        measured(f"libvirt's own blockStats of that guest meanwhile: {theirs.seconds:.0f} s")


class Answer:
    """What somebody else's call took, on a thread of its own."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.seconds = 0.0
        self._call = call
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        import libvirt

        begin = time.monotonic()
        with suppress(libvirt.libvirtError):
            self._call()
        self.seconds = time.monotonic() - begin

    def wait(self, at_most: float) -> float:
        """What it took, 0 while it is not back."""
        self._thread.join(at_most)
        return self.seconds


def test_many_stopped_guests_exhaust_no_worker_of_libvirtd_s(
    lab: RunningLab, by_libvirt: Host, connection: Any, measured: Measured
) -> None:
    with more_guests(lab, 20):
        pids = lab.pids()
        ill = [f"vm{number}" for number in range(2, 7)]
        domains = guests(lab, by_libvirt)
        with by_libvirt.poller(domains, qemu_interval=INTERVAL, block_source="qemu") as poller:
            until(lambda: all_ok(poller, pids), 60)
            with stopped(*(pids[name] for name in ill)):
                took = []
                end = time.monotonic() + 60
                while time.monotonic() < end:
                    begin = time.monotonic()
                    connection.lookupByName("vm20").blockStats("vda")
                    took.append(time.monotonic() - begin)
                    time.sleep(0.2)
                block = poller.poll().block
                assert {block[name, "vda"].state for name in ill} == {"stale"}
                assert {block[name, "vda"].state for name in pids if name not in ill} == {"ok"}
            until(lambda: all_ok(poller, pids), 60)
    measured(f"another client's blockStats of a healthy guest while five of twenty stood still: {max(took):.3f} s")
    assert max(took) < 10  # libvirt gives a call up after 30


def all_ok(poller: Poller, names: dict[str, int]) -> bool:
    block = poller.poll().block
    return all(block[name, "vda"].state == "ok" for name in names)


@contextmanager
def more_guests(lab: RunningLab, count: int) -> Iterator[None]:
    had = len(lab.pids())
    lab.up(count)
    try:
        yield
    finally:
        lab.up(had)


PROGRAM = """
import sys, threading, time
from vmiostat import Host
host = Host(run=sys.argv[1], libvirt=sys.argv[2])
poller = getattr(host, sys.argv[3])(qemu_interval=0.2, block_source="qemu")
poller.poll()
print("asking", flush=True)
try:
    time.sleep(60)
except KeyboardInterrupt:
    start = time.monotonic()
    poller.close()
    closing = time.monotonic() - start
    time.sleep(0.2)
    print(closing, *(thread.name for thread in threading.enumerate()))
"""
"""A question that was just being asked ends by itself in a moment."""

INSIDE_LIBVIRT = {"vmiostat-libvirt", "vmiostat-libvirt-close", "vmiostat-libvirt-events"}
"""Threads that are in a call of libvirt's, which cannot be taken back, or run its event loop."""
SCANNING = {"vmiostat-scan"}
"""A scan that waits for libvirtd gives up after at most 5 seconds."""


def programs(lab: RunningLab) -> dict[str, list[str]]:
    """What is to end: each asks twice a second or more often, and prints a line once it does."""
    python = [sys.executable, "-X", "faulthandler"]
    poller = [*python, "-c", PROGRAM, str(lab.run), lab.uri]
    command = [*python, "-m", "vmiostat", "-c", lab.uri, "--run", str(lab.run)]
    return {
        "a poller": [*poller, "poller"],
        "one that follows": [*poller, "follow"],
        "the command": [*command, "--qemu-interval", "0.2", "--block-source", "qemu", "--json", "0.2"],
    }


@pytest.mark.parametrize("program", ["a poller", "one that follows", "the command"])
@pytest.mark.parametrize("what", ["a guest", "libvirtd", "both"])
def test_the_process_ends_whatever_stands_still(lab: RunningLab, what: str, program: str) -> None:
    daemon = lab.libvirtd()
    assert daemon is not None
    ill = {"a guest": [lab.pids()["vm2"]], "libvirtd": [daemon], "both": [lab.pids()["vm2"], daemon]}[what]
    allowed = INSIDE_LIBVIRT | (SCANNING if daemon in ill else set())
    interrupt(programs(lab)[program], ill, allowed)


def interrupt(command: list[str], ill: list[int], allowed: set[str]) -> None:
    """Ends the command by Ctrl-C while these processes stand still. It may leave threads with the names `allowed`."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline()
            with stopped(*ill):
                time.sleep(3)
                process.send_signal(signal.SIGINT)
                said, complaint = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # Python then says where it is
            pytest.fail(f"it does not end: {process.communicate()[1]}")
        finally:
            process.kill()
    assert complaint == ""
    assert process.returncode == 0
    if PROGRAM in command:
        closing, *threads = said.split()
        assert float(closing) < 10
        assert {name for name in threads if name.startswith("vmiostat")} <= allowed
