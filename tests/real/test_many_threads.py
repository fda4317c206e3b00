"""One Poller, many threads, devices that come and go: only honest rows, and nothing is left behind."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testkit.real.devices import Loop, Tap, make_veths, remove_interface
from testkit.real.domain import write_domain
from testkit.real.machine import Machine
from testkit.real.process import descriptors, resident_bytes
from vmiostat import BlockStats, Host, InterfaceStats, Sample

THREADS = 8
SECONDS = 10.0
WARM_UP = 3.0
"""Seconds until every thread has its stack, its allocator's arena and its caches."""


@contextmanager
def running(work: Callable[[], None], count: int) -> Iterator[list[BaseException]]:
    """`work` over and over in so many threads; what they raise."""
    stop, raised = threading.Event(), []

    def run() -> None:
        try:
            while not stop.is_set():
                work()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield raised
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def check_honest(sample: Sample) -> None:
    """A row has all its numbers, or none of them and says why."""
    for nic in sample.interface:
        assert nic.state in ("ok", "gone")
        assert all(count == -1 for count in tuple(nic.v1)) if nic.state == "gone" else min(nic.v1) >= 0
        # All frames have 60 bytes: numbers of two devices would not fit together. The kernel adds to bytes and packets
        # one after the other, so a poll between may see the one without the other.
        assert nic.state == "gone" or abs(nic.tx_bytes - 60 * nic.tx_packets) <= 60
    for disk in sample.block:
        assert disk.state in ("ok", "gone")
        assert (disk.wr_bytes == -1) == (disk.state == "gone")
        assert disk.wr_bytes <= 64 * Loop.BLOCK


def check_rates(after: Sample, before: Sample) -> None:
    """A rate is a number that a device can have, or says why it is none."""
    rates = after.rates(before)
    for nic in rates.interface:
        assert nic.rx_bytes is None or nic.rx_bytes >= 0
        assert (nic.tx_bytes is None) == (nic.state != "ok")
    for disk in rates.block:
        assert disk.wr_bytes is None or disk.wr_bytes >= 0
        assert (disk.wr_bytes is None) == (disk.state != "ok")


@pytest.mark.slow
def test_devices_come_and_go_under_eight_threads(namespace: Path, tmp_path: Path) -> None:
    disks = [Loop(tmp_path / f"disk{n}") for n in range(2)]
    xml = write_domain(tmp_path, "guest", bridge=["tap0", "tap1", "tap2", "ve0"], disks=disks)
    host = Host(xml=xml, sys=namespace)
    held = descriptors() - 2  # the two disks', which the churn closes and opens
    with Tap("tap0"), Tap("tap1"), Tap("tap2"):
        make_veths([("ve0", "ve1")])
        poller = host.poller()
        assert {row.state for row in poller.poll().interface} == {"ok"}
    remove_interface("ve0")
    polls, rounds = 0, 0
    last = threading.local()

    def poll() -> None:
        nonlocal polls
        sample = poller.poll()
        check_honest(sample)
        before = getattr(last, "sample", None)
        if before is not None:
            check_rates(sample, before)
        last.sample = sample
        polls += 1  # not exact between threads, and need not be

    def churn() -> None:
        """One round: a VM's devices go, and come back under their names."""
        nonlocal rounds
        with Tap("tap0") as one, Tap("tap1"):
            one.guest_sends(20, 60)
            with Tap("tap2") as three:
                three.guest_sends(1 + rounds % 7, 60)
                make_veths([("ve0", "ve1")])
                poller.reopen()
            remove_interface("ve0")
        at = rounds % 2
        disks[at].write(16)
        disks[at].close()
        disks[at] = Loop(tmp_path / f"disk{at}", number=disks[at].minor)
        disks[at].write(4)
        poller.reopen()
        rounds += 1

    most, memory = 0, []
    with running(poll, THREADS) as raised:
        start = time.monotonic()
        while (elapsed := time.monotonic() - start) < SECONDS and not raised:
            churn()
            most = max(most, descriptors())
            if elapsed > WARM_UP:
                memory.append(resident_bytes())
    poller.close()
    for disk in disks:
        disk.close()
    if raised:
        raise raised[0]

    assert polls > 1000
    assert rounds > 10
    assert descriptors() == held
    assert most < held + 30
    # Steady from the warm-up to the end: the median of the last tenth against that of the first.
    tenth = len(memory) // 10 + 1
    first, last_tenth = sorted(memory[:tenth])[tenth // 2], sorted(memory[-tenth:])[tenth // 2]
    assert last_tenth - first < 2 << 20, f"{polls} polls and {rounds} rounds took {last_tenth - first} bytes"


def test_each_thread_has_its_own_memory_in_poll_into(machine: Machine) -> None:
    machine.send_frames()
    with Host(xml=machine.xml, sys=machine.sys).poller() as poller:
        expected = bytearray(InterfaceStats.V1_SIZE * poller.interface_rows)
        poller.poll_into(interface=expected, interface_size=InterfaceStats.V1_SIZE)
        memory = threading.local()
        polls = 0

        def poll() -> None:
            nonlocal polls
            if not hasattr(memory, "interface"):
                memory.interface = bytearray(len(expected))
                memory.block = bytearray(BlockStats.SIZE * poller.block_rows)
            poller.poll_into(interface=memory.interface, interface_size=InterfaceStats.V1_SIZE, block=memory.block)
            assert memory.interface == expected
            polls += 1

        with running(poll, THREADS) as raised:
            time.sleep(0.5)
    assert not raised
    assert polls > THREADS


@pytest.mark.parametrize("into", [False, True])
def test_another_thread_goes_on_while_a_poll_runs(namespace: Path, tmp_path: Path, *, into: bool) -> None:
    names = [f"ve{n}" for n in range(150)]  # enough for a poll to take a while
    make_veths([(name, f"peer-{name}") for name in names])
    poller = Host(xml=write_domain(tmp_path, "container", kind="lxc", bridge=names), sys=namespace).poller()
    memory = bytearray(InterfaceStats.SIZE * poller.interface_rows)
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        ticks += 1
        time.sleep(0)  # lets go of the interpreter

    def poll_many() -> None:
        for _ in range(1000):
            if into:
                poller.poll_into(interface=memory)
            else:
                poller.poll()

    interval = sys.getswitchinterval()
    with poller, running(tick, 1) as raised:
        # The interpreter is never taken from a thread now: the other one runs only while this one has let go of it.
        sys.setswitchinterval(1000)
        try:
            before = ticks
            poll_many()
            during = ticks - before
        finally:
            sys.setswitchinterval(interval)
    assert not raised
    assert during > 10


def test_the_clock_of_the_test_above_holds() -> None:
    """Work that never lets go of the interpreter lets nobody else run: what the test above would see of such a poll."""
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        ticks += 1
        time.sleep(0)

    interval = sys.getswitchinterval()
    with running(tick, 1):
        sys.setswitchinterval(1000)
        try:
            before = ticks
            for _ in range(1_000_000):
                pass
            during = ticks - before
        finally:
            sys.setswitchinterval(interval)
    assert during <= 1
