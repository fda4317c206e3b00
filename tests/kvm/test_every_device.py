"""A guest with every kind of interface and disk: each has its source or its reason, and counts what libvirt counts."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from lab.kvm.running_lab import RunningLab
from vmiostat import BlockStats, Host
from vmiostat.counter_sources import BlockDevice, NetDevice

NICS = {"bridge": 0, "ethernet": 1, "direct": 2, "network": 3}
"""The rich guest's interfaces: what libvirt calls their type, and their number, which is the last byte of their MAC."""


Ours = TypeVar("Ours")


def at_rest(ours: Callable[[], Ours], theirs: Callable[[], tuple[int, ...]]) -> tuple[Ours, tuple[int, ...]]:
    """Our counters and libvirt's, read while libvirt's stood still."""
    for _ in range(20):
        before, read, after = theirs(), ours(), theirs()
        if before == after:
            return read, after
        time.sleep(0.1)
    raise AssertionError("the guest was to be quiet")


def host_names(lab: RunningLab) -> dict[int, str]:
    """The host's name of each interface of vm1, by its number, as libvirt says."""
    rows = [line.split() for line in lab.virsh("domiflist", lab.RICH).splitlines() if ":" in line]
    return {int(row[4][-2:], 16): row[0] for row in rows}


def test_every_disk_has_its_source_or_its_reason(lab: RunningLab, host: Host) -> None:
    disks = {disk.target: disk for disk in host.domain(lab.RICH).disks}
    listed = [line.split() for line in lab.virsh("domblklist", lab.RICH, "--details").splitlines() if "disk" in line]
    sources = {target: source for _, _, target, source in listed}
    assert set(disks) == {*sources, "hdc"} == {"vda", "vdb", "sda", "hda", "hdc"}
    for target in ("vda", "hda"):
        number = Path(sources[target]).stat().st_rdev
        counters = disks[target].counter_source
        assert isinstance(counters, BlockDevice)
        assert (counters.major, counters.minor) == (os.major(number), os.minor(number))
        assert disks[target].reason == ""
    for target in ("vdb", "sda"):
        assert disks[target].counter_source is None
        assert disks[target].source == sources[target]
        assert "only QEMU" in disks[target].reason
    assert (disks["hdc"].device, disks["hdc"].counter_source, disks["hdc"].reason) == ("cdrom", None, "an empty drive")


def test_every_interface_has_its_source_or_its_reason(lab: RunningLab, host: Host) -> None:
    nics = {int((nic.mac or "")[-2:], 16): nic for nic in host.domain(lab.RICH).interfaces}
    names = host_names(lab)
    assert set(nics) == set(names) == {0, 1, 2, 3, 4}
    for kind, number in NICS.items():
        nic = nics[number]
        assert isinstance(nic.counter_source, NetDevice), nic
        assert (nic.target, nic.counter_source.name, nic.reason) == (names[number], names[number], "")
        assert nic.swap_rx_tx == (kind != "direct")
        # The tests run outside of the lab's network namespace.
        assert nic.counter_source.namespace is not None
        assert os.path.samefile(nic.counter_source.namespace, lab.namespace)  # noqa: PTH121 (two kinds of path)
    assert nics[4].counter_source is None
    assert "user mode networking" in nics[4].reason


@pytest.mark.parametrize("kind", NICS)
def test_an_interface_counts_what_libvirt_counts(lab: RunningLab, host: Host, connection: Any, kind: str) -> None:
    number = NICS[kind]
    vm1, told = host.domain(lab.RICH), connection.lookupByName(lab.RICH)
    name = host_names(lab)[number]
    with lab.quiet():
        start = vm1.interface_stats(name)
        # Nobody answers a broadcast: more goes out than comes in, and a wrong direction shows.
        lab.guest(f"ping -q -c 10 -i 0.02 -W 1 -s 1000 10.91.{number}.254")
        lab.guest(f"ping -q -c 30 -i 0.02 -W 1 -s 500 10.91.{number}.255 || true")
        ours, theirs = at_rest(lambda: vm1.interface_stats(name), lambda: told.interfaceStats(name))
    assert tuple(ours.v1) == theirs
    # 10 packets of 1000 bytes each way and 30 of 500 one way, each with 42 bytes of headers, and now and then ARP.
    assert ours.tx_bytes - start.tx_bytes == pytest.approx(10 * 1042 + 30 * 542, abs=200)
    assert ours.rx_bytes - start.rx_bytes == pytest.approx(10 * 1042, abs=200)


@pytest.mark.parametrize("kind", NICS)
def test_under_traffic_our_counts_lie_between_two_of_libvirts(
    lab: RunningLab, host: Host, connection: Any, kind: str
) -> None:
    told = connection.lookupByName(lab.RICH)
    name = host_names(lab)[NICS[kind]]
    seen = set()
    with host.poller([host.domain(lab.RICH)]) as poller:
        until = time.monotonic() + 3
        while time.monotonic() < until:
            before, ours, after = told.interfaceStats(name), poller.poll(), told.interfaceStats(name)
            row = tuple(ours.interface[lab.RICH, name].v1)
            assert all(low <= one <= high for low, one, high in zip(before, row, after, strict=True))
            seen.add(row)
            time.sleep(0.01)
    assert len(seen) > 3, "the guest was to be busy"


def test_a_block_disk_counts_the_bytes_that_libvirt_counts(lab: RunningLab, host: Host, connection: Any) -> None:
    told = connection.lookupByName(lab.RICH)
    with lab.quiet(), host.poller([host.domain(lab.RICH)]) as poller:

        def counts() -> tuple[BlockStats, tuple[int, ...]]:
            return at_rest(lambda: poller.poll().block[lab.RICH, "vda"], lambda: told.blockStats("vda"))

        ours, theirs = counts()
        for size, many in ((4096, 100), (65536, 60), (1 << 20, 8)):
            lab.guest(f"dd if=/dev/zero of=/dev/vda bs={size} count={many} oflag=direct conv=notrunc,fsync")
            lab.guest(f"dd if=/dev/vda of=/dev/null bs={size} count={many} iflag=direct")
            ours_now, theirs_now = counts()
            read, written = theirs_now[1] - theirs[1], theirs_now[3] - theirs[3]
            assert (read, written) == (size * many, size * many)
            assert (ours_now.rd_bytes - ours.rd_bytes, ours_now.wr_bytes - ours.wr_bytes) == (read, written)
            ours, theirs = ours_now, theirs_now


def test_under_io_our_bytes_lie_between_two_of_libvirts(lab: RunningLab, host: Host, connection: Any) -> None:
    """Both count from another beginning, which stands still."""
    told = connection.lookupByName(lab.RICH)
    at = lab.RICH, "vda"
    with host.poller([host.domain(lab.RICH)]) as poller:
        with lab.quiet():
            ours, theirs = at_rest(lambda: poller.poll().block[at], lambda: told.blockStats("vda"))
            beginning = ours.rd_bytes - theirs[1], ours.wr_bytes - theirs[3]
        seen = set()
        until = time.monotonic() + 3
        while time.monotonic() < until:
            before, row = told.blockStats("vda"), poller.poll().block[at]
            # The device has done what QEMU counts only when it hears of it.
            assert before[1] <= row.rd_bytes - beginning[0]
            assert before[3] <= row.wr_bytes - beginning[1]
            seen.add((row.rd_bytes, row.wr_bytes))
            time.sleep(0.01)
    assert len(seen) > 3, "the guest was to be busy"
