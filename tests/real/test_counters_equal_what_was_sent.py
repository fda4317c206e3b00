"""Real devices, a known number of frames and blocks: every counter is exactly what was sent."""

import struct
from collections.abc import Callable
from typing import Literal

import pytest

from testkit.real.devices import Loop, host_sends
from testkit.real.machine import DOMAINS, SENT, Machine
from testkit.targets import targets
from testkit.this_host import this_host
from vmiostat import BlockStats, Host, InterfaceStats

COUNTERS = 16
"""Words of an interface's struct before those of the row itself."""


def host_view(name: str) -> tuple[int, ...]:
    """All counters of an interface: none of those that version 2 appended has moved."""
    return SENT[name] + (0,) * 8


def guest_view(name: str) -> tuple[int, ...]:
    """The guest receives what the host sends. What the kernel counts on one side only, the other side does not have."""
    fifo, frame, compressed, multicast, colls, carrier = 0, -1, 0, -1, -1, -1
    return SENT[name][4:] + SENT[name][:4] + (fifo, frame, compressed, multicast, fifo, colls, carrier, compressed)


@pytest.mark.parametrize(("view", "expected"), [("guest", guest_view), ("host", host_view)])
def test_interfaces(
    machine: Machine, view: Literal["guest", "host"], expected: Callable[[str], tuple[int, ...]]
) -> None:
    host = Host(xml=machine.xml, sys=machine.sys, view=view)
    with host.poller() as poller:
        before = poller.poll()
        machine.send_frames()
        after = poller.poll()

        v1 = bytearray(InterfaceStats.V1_SIZE * poller.interface_rows)
        poller.poll_into(interface=v1, interface_size=InterfaceStats.V1_SIZE)

    rates = after.rates(before)
    for domain, names in DOMAINS.items():
        assert targets(host.domain(domain).interfaces) == list(names)
        for name in names:
            row = after.interface[domain, name]
            assert tuple(row)[:COUNTERS] == expected(name), name
            assert row.state == "ok"
            assert tuple(before.interface[domain, name])[:8] == (0,) * 8
            assert tuple(host.domain(domain).interface_stats(name))[:COUNTERS] == expected(name)
            assert tuple(host.domain(domain).interface_stats(name, size=InterfaceStats.V1_SIZE)) == expected(name)[:8]

            at = list(zip(after.interface.domains, after.interface.devices, strict=True)).index((domain, name))
            assert struct.unpack_from("8q", v1, at * InterfaceStats.V1_SIZE) == expected(name)[:8]

            rate = rates.interface[domain, name]
            assert rate.interval is not None
            assert rate.interval > 0
            for field, count in zip(("rx_bytes", "rx_packets"), expected(name), strict=False):
                assert getattr(rate, field) * rate.interval == pytest.approx(count)


def test_disks(machine: Machine) -> None:
    used, idle = machine.loops
    guest = Host(xml=machine.xml, sys=machine.sys).domain("guest")
    assert targets(guest.disks) == ["vda", "vdb"]
    used.write(5)
    used.read(3)
    stats = guest.block_stats("vda")
    assert tuple(stats.v1) == (3, 3 * Loop.BLOCK, 5, 5 * Loop.BLOCK, -1)
    assert (stats.fl_req, stats.ds_req, stats.ds_bytes) == (0, 0, 0)
    assert (stats.rd_merged, stats.wr_merged, stats.in_flight) == (0, 0, 0)

    used.flush()
    used.discard(8)
    used.discard(2)
    stats = guest.block_stats("vda")
    assert (stats.fl_req, stats.ds_req, stats.ds_bytes) == (1, 2, 10 * Loop.BLOCK)
    assert (stats.rd_bytes, stats.wr_bytes) == (3 * Loop.BLOCK, 5 * Loop.BLOCK)
    assert stats.wr_req == 6  # the kernel counts a flush as a write of nothing, too
    for time in (stats.rd_time, stats.wr_time, stats.fl_time, stats.ds_time, stats.busy_time, stats.queue_time):
        assert 0 <= time < 60_000_000_000
        assert time % 1_000_000 == 0

    assert tuple(guest.block_stats("vdb"))[:17] == (0, 0, 0, 0, -1) + (0,) * 12
    idle.write(1)
    assert tuple(guest.block_stats("vdb", size=BlockStats.V1_SIZE)) == (0, 0, 1, Loop.BLOCK, -1)


def test_disks_of_one_poll(machine: Machine) -> None:
    host = Host(xml=machine.xml, sys=machine.sys)
    with host.poller() as poller:
        before = poller.poll()
        for count, loop in enumerate(machine.loops, start=1):
            loop.write(10 * count)
            loop.read(count)
        after = poller.poll()
    for count, target in enumerate(("vda", "vdb"), start=1):
        row = after.block["guest", target]
        assert tuple(row.v1) == (count, count * Loop.BLOCK, 10 * count, 10 * count * Loop.BLOCK, -1)
        rate = after.rates(before).block["guest", target]
        assert rate.interval is not None
        assert rate.wr_bytes is not None
        assert rate.wr_bytes * rate.interval == pytest.approx(10 * count * Loop.BLOCK)


def test_the_host_itself_is_shown_in_its_own_direction(machine: Machine) -> None:
    host_sends("ve1", 9, 66)
    domain = this_host(Host(sys=machine.sys))
    stats = domain.interface_stats("ve0")
    assert (stats.rx_packets, stats.rx_bytes, stats.tx_packets) == (9, 9 * 66, 0)
    machine.loops[0].write(2)
    assert domain.block_stats(machine.loops[0].name).wr_bytes == 2 * Loop.BLOCK
