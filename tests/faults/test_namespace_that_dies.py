"""A network namespace whose name and last process go while a poller reads in it: it costs no row, and nobody else's."""

import subprocess
import time
from pathlib import Path

import pytest

from testkit.counters_of import counters_of
from testkit.real.devices import host_sends
from testkit.real.machine import Machine
from testkit.real.own_number import OWN_NUMBER
from vmiostat import Poller, Roots
from vmiostat.counter_sources import InterfaceSource, NetDevice


@pytest.mark.parametrize("source", ["proc", "netlink", "auto"])
def test_it_lives_as_long_as_the_poller(machine: Machine, source: InterfaceSource) -> None:
    name = f"vmiostat-{OWN_NUMBER}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        wire = ["type", "veth", "peer", "name", "there0", "netns", name]
        subprocess.run(["ip", "link", "add", "here0", "up", *wire], check=True)
        subprocess.run(["ip", "-n", name, "link", "set", "there0", "up"], check=True)
        rows = [
            ("vm", "tap0", NetDevice("tap0"), False),
            ("vm", "there0", NetDevice("there0", f"/run/netns/{name}"), False),
        ]
        poller = Poller(Roots(sys=machine.sys), [], rows, interface_source=source)
        before = poller.poll().interface
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)
    with poller:
        host_sends("here0", 5, 100)
        after = poller.poll().interface
        assert [row.state for row in after] == ["ok", "ok"]
        assert after[1].rx_packets == before[1].rx_packets + 5
        assert counters_of(after[0]) == counters_of(before[0])
        assert poller.reopen() == 0
        # Another one of its name is another one: its interface is not this row's.
        subprocess.run(["ip", "netns", "add", name], check=True)
        try:
            assert poller.poll().interface[1].rx_packets == after[1].rx_packets
        finally:
            subprocess.run(["ip", "netns", "del", name], check=True)
    # Nothing holds it any more, and so the kernel takes it apart, with both ends of the wire.
    deadline = time.monotonic() + 30
    while "here0" in Path("/proc/thread-self/net/dev").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
