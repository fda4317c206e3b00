"""Without a word of libvirt's: the same guests and numbers from their processes, and one that no libvirt knows."""

import time
from pathlib import Path

import pytest

from lab.kvm.plain_qemu import plain_qemu
from lab.kvm.running_lab import RunningLab
from testkit.counters_of import counters_of
from testkit.real.devices import Loop
from testkit.real.in_namespace import Wire, same_namespace
from vmiostat import Host, Interface
from vmiostat.counter_sources import BlockDevice, NetDevice


@pytest.fixture
def hidden(tmp_path: Path) -> Host:
    """This machine with an empty /run: there is no libvirt to be seen."""
    return Host(run=tmp_path)


def counted(nic: Interface) -> tuple[object, ...]:
    """What counts an interface. A namespace is known by its inode: several processes lead to it."""
    source = nic.counter_source
    if not isinstance(source, NetDevice):
        return (source, nic.mac if source else None)
    inode = Path(source.namespace or "/proc/self/ns/net").stat().st_ino
    return source.name, source.index, inode, nic.swap_rx_tx, nic.mac


def test_the_same_guests_with_the_same_devices(lab: RunningLab, host: Host, hidden: Host) -> None:
    known, found = lab.domains(host), lab.domains(hidden)
    assert set(found) == set(known) == {"vm1", "vm2", "vm3"}
    for name, domain in found.items():
        assert domain.provider == "processes"
        assert known[name].provider == "libvirt-status"
        assert domain.process == known[name].process
        assert domain.uuid == known[name].uuid
        assert {disk.counter_source for disk in domain.disks} == {disk.counter_source for disk in known[name].disks}
        assert set(map(counted, found[name].interfaces)) == set(map(counted, known[name].interfaces))
        assert sorted(str(disk.source) for disk in domain.disks) == sorted(
            str(disk.source) for disk in known[name].disks
        )
    assert all(disk.counter_source is not None or disk.reason for disk in found["vm1"].disks)
    assert all(nic.counter_source is not None or nic.reason for nic in found["vm1"].interfaces)


def test_the_same_numbers(lab: RunningLab, host: Host, hidden: Host) -> None:
    with lab.quiet():
        guests = lab.domains(host)["vm1"], lab.domains(hidden)["vm1"]
        with host.poller([guests[0]]) as one, hidden.poller([guests[1]]) as other:
            samples = one.poll(), other.poll()
    for kind in ("block", "interface"):
        numbers = [sorted(counters_of(row) for row in getattr(sample, kind) if row.state == "ok") for sample in samples]
        assert numbers[0] == numbers[1]
        assert len(numbers[0]) >= 2


def test_a_plain_qemu_beside_them(lab: RunningLab, host: Host, tmp_path: Path) -> None:
    with (
        Loop(tmp_path / "plain.raw") as loop,
        plain_qemu("plain1", namespace=lab.namespace, tap="kplain0", disk=loop.path) as qemu,
        Wire(lab.namespace, "kplain0") as wire,
    ):
        found = {domain.process.pid: domain for domain in host.domains() if domain.process is not None}
        assert {*lab.pids().values(), qemu.pid} <= set(found)
        plain = found[qemu.pid]
        assert (plain.name, plain.provider) == ("plain1", "processes")
        [disk] = plain.disks
        assert isinstance(disk.counter_source, BlockDevice)
        assert (disk.counter_source.major, disk.counter_source.minor) == (loop.major, loop.minor)
        [nic] = plain.interfaces
        assert isinstance(nic.counter_source, NetDevice)
        assert (nic.target, nic.counter_source.name, nic.swap_rx_tx) == ("kplain0", "kplain0", True)
        assert nic.counter_source.namespace is not None
        assert same_namespace(nic.counter_source.namespace, lab.namespace)
        with host.poller([plain]) as poller:
            before = poller.poll()
            wire.send(7, 100)
            loop.write(3)
            until = time.monotonic() + 5
            while (after := poller.poll()).interface[0].rx_packets < before.interface[0].rx_packets + 7:
                assert time.monotonic() < until, "QEMU does not take what is sent to it"
        received = after.interface[0].rx_packets - before.interface[0].rx_packets
        assert (received, after.interface[0].rx_bytes - before.interface[0].rx_bytes) == (7, 700)
        assert after.block[0].wr_bytes - before.block[0].wr_bytes == 3 * Loop.BLOCK
