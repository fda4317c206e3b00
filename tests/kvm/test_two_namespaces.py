"""One plan, two network namespaces: each interface is read where it is, also where both have one of that name."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.command import run
from lab.kvm import network
from lab.kvm.plain_qemu import plain_qemu
from lab.kvm.running_lab import RunningLab
from testkit.real.devices import Loop
from testkit.real.in_namespace import Wire, same_namespace
from vmiostat import Host, InterfaceStats
from vmiostat.counter_sources import InterfaceSource, NetDevice


@pytest.fixture
def second(lab: RunningLab) -> Iterator[Path]:
    """Another network namespace beside the lab's."""
    name = f"{lab.place.name}-2"
    run("ip", "netns", "add", name)
    try:
        network.quiet(namespace := Path("/run/netns") / name)
        yield namespace
    finally:
        run("ip", "netns", "del", name)


@pytest.mark.parametrize("source", ["auto", "proc", "sysfs", "netlink"])
def test_one_plan(lab: RunningLab, host: Host, second: Path, tmp_path: Path, source: InterfaceSource) -> None:
    with (
        Loop(tmp_path / "one.raw") as disk1,
        Loop(tmp_path / "two.raw") as disk2,
        plain_qemu("plain1", namespace=lab.namespace, tap="ktap0", disk=disk1.path) as one,
        plain_qemu("plain2", namespace=second, tap="ktap0", disk=disk2.path) as two,
        Wire(lab.namespace, "ktap0") as wire1,
        Wire(second, "ktap0") as wire2,
    ):
        found = {domain.process.pid: domain for domain in host.domains() if domain.process is not None}
        plan = [found[one.pid], found[two.pid], found[lab.pids()["vm1"]]]
        for domain, namespace in zip(plan, (lab.namespace, second, lab.namespace), strict=True):
            counters = domain.interfaces[0].counter_source
            assert isinstance(counters, NetDevice)
            assert counters.namespace is not None
            assert same_namespace(counters.namespace, namespace)
        with host.poller(plan, interface_source=source) as poller:
            before = poller.poll()
            wire1.send(3, 100)
            wire2.send(5, 200)

            def received(row: int, after: InterfaceStats) -> tuple[int, int]:
                start = before.interface[row]
                return after.rx_packets - start.rx_packets, after.rx_bytes - start.rx_bytes

            after = before
            for _ in range(1000):
                after = poller.poll()
                if received(0, after.interface[0])[0] >= 3 and received(1, after.interface[1])[0] >= 5:
                    break
            explained = [one.rows for one in poller.explain() if one.kind == "interface" and one.source != "none"]
            assert received(0, after.interface[0]) == (3, 300)
            assert received(1, after.interface[1]) == (5, 1000)
            assert {row.state for row in after.interface} == {"ok", "unsupported"}  # vm1's user mode interface
            assert sorted(explained) == [1, 5]
