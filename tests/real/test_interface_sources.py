"""Every way to an interface's counters gives the same numbers, and tells one interface from another."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import CDLL
from pathlib import Path

import pytest

from testkit.real.devices import Tap, host_sends, make_veths
from testkit.real.domain import write_domain
from testkit.real.machine import DOMAINS, Machine
from testkit.real.own_number import OWN_NUMBER
from vmiostat import Host, InterfaceStats, Poller, Roots
from vmiostat.counter_sources import InterfaceSource, NetDevice

SOURCES: tuple[InterfaceSource, ...] = ("proc", "sysfs", "netlink", "auto")
COUNTERS = 16
"""The fields before those that a row says of itself."""


def counters(poller: Poller) -> list[tuple[int, ...]]:
    return [tuple(row)[:COUNTERS] for row in poller.poll().interface]


def watching(names: list[str], sysfs: Path, source: InterfaceSource) -> Poller:
    return Poller(
        Roots(sys=sysfs), [], [("host", name, NetDevice(name), False) for name in names], interface_source=source
    )


@pytest.mark.parametrize("view", ["guest", "host"])
def test_all_sources_agree_field_by_field(machine: Machine, view: str) -> None:
    machine.send_frames()
    host = Host(xml=machine.xml, sys=machine.sys, view="host" if view == "host" else "guest")
    pollers = {source: host.poller(interface_source=source) for source in SOURCES}
    expected = counters(pollers["proc"])
    assert any(any(count > 0 for count in row) for row in expected)
    for source, poller in pollers.items():
        assert counters(poller) == expected, source
        # A smaller struct is the same bytes, also where fewer files are read for it.
        for size in (8, 40, 64, 100, 120):
            memory = bytearray(size * poller.interface_rows)
            poller.poll_into(interface=memory, interface_size=size)
            for row, whole in enumerate(expected):
                part = InterfaceStats.from_bytes(memory[row * size : (row + 1) * size])
                assert tuple(part) == whole[: size // 8], (source, size)


def test_all_sources_agree_on_many_interfaces(namespace: Path) -> None:
    pairs = [(f"ve{n}", f"vp{n}") for n in range(200)]
    make_veths(pairs)
    names = [name for pair in pairs for name in pair]
    for index in range(0, 200, 7):
        host_sends(f"ve{index}", index % 5 + 1, 60 + index)
    pollers = {source: watching(names, namespace, source) for source in SOURCES}
    expected = counters(pollers["proc"])
    assert {row[1] for row in expected} == {0, 1, 2, 3, 4, 5}
    for source, poller in pollers.items():
        for _ in range(3):
            assert counters(poller) == expected, source
    (explained,) = pollers["auto"].explain()
    assert "by a thread" in explained.source
    # A single one among many has the cheapest of all, which is not the file that tells of all.
    (explained,) = watching(["ve7"], namespace, "auto").explain()
    assert explained.source.endswith("/class/net/ve7/statistics")
    assert counters(watching(["ve7"], namespace, "auto")) == [expected[names.index("ve7")]]


@pytest.mark.parametrize("source", ["netlink", "auto"])
def test_a_tap_remade_between_two_polls_is_another_one(namespace: Path, source: InterfaceSource) -> None:
    others = [f"ve{n}" for n in range(300)]
    make_veths([(name, f"peer-{name}") for name in others])  # so many that auto asks netlink
    tap = Tap("tap0")
    with watching(["tap0", *others], namespace, source) as poller:
        tap.guest_sends(2, 60)
        before = poller.poll()
        tap.close()
        with Tap("tap0") as tap:
            # More than before: by its numbers alone nobody could tell that it is another one.
            tap.guest_sends(5, 60)
            poller.poll()
            after = poller.poll()
            rate = after.rates(before).interface[0]
            assert (rate.state, rate.rx_packets) == ("replaced", None)
            assert after.interface[0].rx_packets == 5
            assert after.interface[1].generation == before.interface[1].generation
        assert poller.poll().interface[0].state == "gone"
        with Tap("tap0"):
            poller.poll()
            row = poller.poll().interface[0]
            assert (row.state, row.generation) == ("ok", 2)


@contextmanager
def another_namespace(name: str) -> Iterator[str]:
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        # Otherwise it may send neighbour discovery, which the tests would count.
        no_ipv6 = "for scope in all default; do echo 1 > /proc/sys/net/ipv6/conf/$scope/disable_ipv6; done"
        subprocess.run(["ip", "netns", "exec", name, "sh", "-c", no_ipv6], check=False)
        yield f"/run/netns/{name}"
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("by_process", [False, True])
def test_interfaces_of_several_namespaces_in_one_plan(
    namespace: Path, source: InterfaceSource, *, by_process: bool
) -> None:
    name = f"vmiostat-{OWN_NUMBER}"
    threads = set(threading.enumerate())
    with another_namespace(name) as there:
        # The same name at both ends of the wire: what one sends, the other receives.
        subprocess.run(
            ["ip", "link", "add", "net0", "up", "type", "veth", "peer", "name", "net0", "netns", name], check=True
        )
        subprocess.run(["ip", "-n", name, "link", "set", "net0", "up"], check=True)
        inside = subprocess.Popen(["ip", "netns", "exec", name, "sleep", "60"])
        try:
            if by_process:
                there = f"/proc/{inside.pid}/ns/net"
                while Path(there).readlink() == Path("/proc/self/ns/net").readlink():
                    assert inside.poll() is None  # `ip` has yet to enter it
            rows = [("here", "net0", NetDevice("net0"), False), ("there", "net0", NetDevice("net0", there), False)]
            own = Path("/proc/thread-self/ns/net").readlink()
            with Poller(Roots(sys=namespace), [], rows, interface_source=source) as poller:
                host_sends("net0", 7, 60)
                sample = poller.poll()
                deadline = time.monotonic() + 10
                # The kernel takes frames in when it comes to it: on a busy machine after they were sent.
                while sample.interface["there", "net0"].rx_packets < 7 and time.monotonic() < deadline:
                    sample = poller.poll()
                sources = [explained.source for explained in poller.explain()]
                reasons = [explained.why for explained in poller.explain()]
                numbers = Roots().interfaces(there)
        finally:
            inside.kill()
            inside.wait()
    assert [row.state for row in sample.interface] == ["ok", "ok"]
    assert sample.interface["here", "net0"].tx_packets == sample.interface["there", "net0"].rx_packets == 7
    assert sample.interface["here", "net0"].rx_packets == 0
    assert len(sources) == 2
    # The namespace was entered; a process's file alone would have told the names, and nobody's numbers.
    assert list(numbers) == ["lo", "net0"]
    assert None not in numbers.values()
    assert "cannot be entered" not in "".join(reasons)
    assert Path("/proc/thread-self/ns/net").readlink() == own
    assert set(threading.enumerate()) <= threads


def test_a_namespace_that_is_not_there_costs_its_own_rows(namespace: Path) -> None:
    make_veths([("ve0", "ve1")])
    rows = [("a", "ve0", NetDevice("ve0"), False), ("b", "ve0", NetDevice("ve0", "/run/netns/none-such"), False)]
    with Poller(Roots(sys=namespace), [], rows) as poller:
        assert [row.state for row in poller.poll().interface] == ["ok", "unreadable"]
        problem = poller.problem("interface", 1)
        assert problem is not None
        assert "/run/netns/none-such" in str(problem)


WITHOUT_NETLINK = """
import ctypes, struct, sys
from dataclasses import replace
from vmiostat import Host
# socket(AF_NETLINK) is EPERM from here on: a classic BPF program over struct seccomp_data.
load, jump, give = 0x20, 0x15, 0x06
program = b"".join(struct.pack("HBBI", *step) for step in [
    (load, 0, 0, 0), (jump, 0, 3, 41), (load, 0, 0, 16), (jump, 0, 1, 16),
    (give, 0, 0, 0x00050001), (give, 0, 0, 0x7FFF0000),
])
buffer = ctypes.create_string_buffer(program)
filter = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, filter) == 0
for source in ("netlink", "auto"):
    with Host(xml=sys.argv[1], sys=sys.argv[2]).poller(interface_source=source) as poller:
        print({row.state for row in poller.poll().interface}, poller.explain()[-1].source, poller.explain()[-1].why)
host = Host(xml=sys.argv[1], sys=sys.argv[2])
few = [replace(domain, interfaces=domain.interfaces[-1:]) for domain in host.domains()]
with host.poller(few) as poller:
    print({row.state for row in poller.poll().interface}, poller.explain()[-1].source)
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the filter names system calls by their x86-64 numbers")
def test_a_process_that_may_not_use_netlink_reads_the_file(namespace: Path, tmp_path: Path) -> None:
    names = [f"ve{n}" for n in range(300)]
    make_veths([(name, f"peer-{name}") for name in names])
    xml = write_domain(tmp_path, "guest", bridge=names)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_NETLINK, xml, namespace], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert lines.pop().endswith("/class/net/ve299/statistics")  # few of many: sysfs needs no netlink
    for line in lines:
        assert line.startswith("{'ok'} /proc/net/dev ")
        assert "netlink" in line
        assert "Operation not permitted" in line


def test_a_wish_that_is_none(machine: Machine) -> None:
    with pytest.raises(ValueError, match="'auto', 'proc', 'sysfs' or 'netlink', not 'fast'"):
        Host(xml=machine.xml, sys=machine.sys).poller(interface_source="fast")  # type: ignore[arg-type]
    assert sum(map(len, DOMAINS.values())) == 5


def test_the_main_thread_visits_another_namespace(namespace: Path) -> None:
    """The machine's interfaces are those of the namespace in which its Roots were made."""
    libc, new_network = CDLL(None), 0x40000000  # os.unshare is there since Python 3.12
    make_veths([("ve0", "ve1")])
    roots = Roots(sys=namespace)
    rows = [("web1", "ve0", NetDevice("ve0"), False)]
    with Poller(roots, [], rows) as poller:
        before = poller.poll().interface[0]
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        assert libc.unshare(new_network) == 0
        names = list(roots.interfaces())
        with Poller(roots, [], rows) as poller:
            away = poller.poll().interface[0]
        other = list(Roots().interfaces())
    finally:
        assert libc.setns(home, new_network) == 0
        os.close(home)
    assert "ve0" in names
    assert "ve0" not in other
    assert (before.state, away.state) == ("ok", "ok")
    assert before.rx_bytes <= away.rx_bytes
