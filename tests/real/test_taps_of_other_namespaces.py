"""A tap that a VMM was passed is in another network namespace, where one of the same name may be another machine's."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.real.devices import Tap, host_sends
from tests.real.test_vmm_processes import ELSEWHERE, SEND, TAP, VMMS, called, vmm
from vmiostat import Host
from vmiostat.counter_sources import NetDevice

BACK = "assert ctypes.CDLL(None).setns(home, 0) == 0; "
"""As if another process had opened the tap, and passed its descriptor."""
AWAY = "import os; home = os.open('/proc/self/ns/net', 0); " + ELSEWHERE
OTHER = "first = tap; "


@pytest.fixture
def named(tmp_path: Path) -> Iterator[str]:
    """A network namespace with a name."""
    name = f"vmiostat-{tmp_path.name}"[:60]
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def test_in_a_namespace_that_cannot_be_found_it_has_no_counters(namespace: Path) -> None:
    with Tap("tap0"), vmm(AWAY + TAP.format("tap0") + SEND + BACK) as pid:
        (nic,) = called(Host(sys=namespace, vmms=VMMS), pid).interfaces
    assert (nic.target, nic.counter_source) == ("tap0", None)
    assert nic.reason.startswith("it is in another network namespace (net:[")


def test_in_a_namespace_with_a_name_it_is_found_there(namespace: Path, named: str) -> None:
    enter = "import os, ctypes; home = os.open('/proc/self/ns/net', 0); "
    enter += f"assert ctypes.CDLL(None).setns(os.open('/run/netns/{named}', 0), 0) == 0; "
    host = Host(sys=namespace, vmms=VMMS)
    with Tap("tap0"), vmm(enter + TAP.format("tap0") + SEND + BACK) as pid:
        host_sends("tap0", 3, 100)
        domain = called(host, pid)
        (nic,) = domain.interfaces
        assert isinstance(nic.counter_source, NetDevice)
        assert nic.counter_source.namespace == f"/run/netns/{named}"
        assert domain.interface_stats("tap0").tx_packets == 5


def test_one_of_the_machine_is_not_looked_up_in_the_namespace_of_its_vmm(namespace: Path) -> None:
    host = Host(sys=namespace, vmms=VMMS)
    with vmm(TAP.format("tap0") + SEND + OTHER + ELSEWHERE + TAP.format("tap0")) as pid:
        domain = called(host, pid)
        here, there = domain.interfaces
        assert isinstance(here.counter_source, NetDevice)
        assert isinstance(there.counter_source, NetDevice)
        assert (here.target, here.counter_source.namespace) == ("tap0", None)
        assert (there.target, there.counter_source.namespace) == ("tap0#2", f"/proc/{pid}/ns/net")
        with host.poller([domain]) as poller:
            assert [row.tx_packets for row in poller.poll().interface] == [5, 0]


MACVTAP = (
    "import subprocess; ip = lambda *words: subprocess.run(['ip', *words], check=True); "
    "ip('link', 'add', 'under0', 'type', 'veth', 'peer', 'name', 'peer0'); "
    "ip('link', 'add', 'link', 'under0', 'name', {0!r}, 'index', '77', 'type', 'macvtap'); "
    "tap = open('/dev/tap77', 'r+b', 0); "
)


def test_a_macvtap_of_another_namespace_has_no_counters(namespace: Path) -> None:
    """In the VMM's namespace its number is another interface's."""
    subprocess.run(
        ["ip", "link", "add", "name", "victim", "index", "77", "type", "veth", "peer", "name", "peer1"], check=True
    )
    with vmm(AWAY + MACVTAP.format("mine") + BACK) as pid:
        (nic,) = called(Host(sys=namespace, vmms=VMMS), pid).interfaces
    assert (nic.target, nic.type, nic.counter_source) == ("mine", "direct", None)
    assert nic.reason.startswith("it is in another network namespace, ")


def test_a_macvtap(namespace: Path) -> None:
    with vmm(MACVTAP.format("mine")) as pid:
        (nic,) = called(Host(sys=namespace, vmms=VMMS), pid).interfaces
        assert isinstance(nic.counter_source, NetDevice)
        assert (nic.counter_source.name, nic.counter_source.index, nic.swap_rx_tx) == ("mine", 77, False)


FILE = (
    "import ctypes; libc = ctypes.CDLL(None); assert libc.unshare(0x20000) == 0; "
    "assert libc.mount(b'none', b'/', None, 1 << 18 | 1 << 14, None) == 0; "
    "assert libc.mount(b'none', b'/dev', b'tmpfs', 0, None) == 0; file = open('/dev/tap{}', 'w'); "
)


def test_a_file_called_like_a_macvtap_is_none(namespace: Path) -> None:
    """In a mount namespace of its own a process can have any file there."""
    with Tap("tap0"):
        number = Host(sys=namespace).roots.interfaces()["tap0"]
        with vmm(FILE.format(number)) as pid:
            assert called(Host(sys=namespace, vmms=VMMS), pid).interfaces == ()
