"""libvirtd stops, is killed, or is not there at all: polls go on as if nothing had happened, and changes are seen.

So is an external snapshot, for which libvirt sends no event.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.kvm.running_lab import RunningLab, file_of
from testkit.polls import Polls
from vmiostat import Host, Sample

NIC = "kdies0"
NIC_XML = f"""\
<interface type='ethernet'><mac address='52:54:00:91:01:71'/><target dev='{NIC}'/><model type='ne2k_pci'/></interface>
"""


def ways(lab: RunningLab, empty: Path) -> dict[str, Callable[[], Host]]:
    """How the guests are found: by libvirt's files, by a connection to libvirt alone."""
    return {"files": lambda: Host(run=lab.run), "connection": lambda: Host(run=empty, libvirt=lab.uri)}


@pytest.fixture(params=["files", "connection"])
def looking(request: pytest.FixtureRequest, lab: RunningLab, tmp_path: Path) -> Host:
    """A host whose guests are found one way or the other."""
    return ways(lab, tmp_path)[request.param]()


@contextmanager
def plugged(lab: RunningLab, folder: Path) -> Iterator[None]:
    """An interface more in vm1."""
    xml = file_of(folder, "nic.xml", NIC_XML)
    lab.virsh("attach-device", lab.RICH, xml, "--live")
    try:
        yield
    finally:
        lab.virsh("detach-device", lab.RICH, xml, "--live")


def has(device: str, state: str = "ok", domain: str = RunningLab.RICH) -> Callable[[Sample], bool]:
    """Whether a sample has this device's row, in this state."""

    def shows(sample: Sample) -> bool:
        tables: list[Any] = [sample.interface, sample.block]
        names = [list(zip(table.domains, table.devices, strict=True)) for table in tables]
        return any(
            table[rows.index((domain, device))].state == state
            for table, rows in zip(tables, names, strict=True)
            if (domain, device) in rows
        )

    return shows


def lacks(device: str) -> Callable[[Sample], bool]:
    return lambda sample: device not in sample.interface.devices


def check_beat(polls: Polls) -> None:
    """No poll was held up, and none of what was there all the time was ever in doubt."""
    assert polls.longest() < 5
    assert polls.longest_gap() < 5
    for kind, device in (("block", "vda"), ("interface", "keth0")):
        rows = [getattr(poll.sample, kind)[RunningLab.RICH, device] for poll in polls.seen]
        assert {row.state for row in rows} == {"ok"}
        assert {row.generation for row in rows} == {rows[0].generation}


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_it_dies_and_comes_back(lab: RunningLab, looking: Host, tmp_path: Path, by: signal.Signals) -> None:
    with looking.follow() as poller, Polls(poller.poll) as polls:
        with plugged(lab, tmp_path):
            polls.wait_for(has(NIC))
        polls.wait_for(lacks(NIC))
        with lab.without_libvirtd(by):
            time.sleep(1)
        with plugged(lab, tmp_path):
            polls.wait_for(has(NIC), within=20)
        polls.wait_for(lacks(NIC), within=20)
    check_beat(polls)


def test_it_is_killed_in_the_middle_of_a_change(lab: RunningLab, host: Host, tmp_path: Path) -> None:
    with host.follow() as poller, Polls(poller.poll) as polls:
        with plugged(lab, tmp_path):
            lab.stop_libvirtd(signal.SIGKILL)
            polls.wait_for(has(NIC))  # the file tells, whoever wrote it
            lab.start_libvirtd()
            time.sleep(0.5)
            assert has(NIC)(polls.seen[-1].sample)
        polls.wait_for(lacks(NIC))
    check_beat(polls)


def test_it_is_absent_from_the_start(lab: RunningLab, host: Host, tmp_path: Path) -> None:
    known = {name: (domain.disks, domain.interfaces) for name, domain in lab.domains(host).items()}
    with lab.without_libvirtd():
        started = Host(run=lab.run)
        found = lab.domains(started)
        assert started.problems == ()
        assert {name: (domain.disks, domain.interfaces) for name, domain in found.items()} == known
        poller = started.follow()
    with poller, Polls(poller.poll) as polls:
        with plugged(lab, tmp_path):
            polls.wait_for(has(NIC))
        check_beat(polls)


def test_a_connection_to_one_that_is_absent_from_the_start(lab: RunningLab, tmp_path: Path) -> None:
    empty = tmp_path / "run"
    empty.mkdir()
    with lab.without_libvirtd():
        host = Host(run=empty, libvirt=lab.uri)
        assert {domain.provider for domain in lab.domains(host).values()} == {"processes"}
        assert any("cannot connect" in str(problem) for problem in host.problems)
        poller = host.follow()
    with poller, Polls(poller.poll) as polls:
        # vm1's disk was virtio-disk0 to its process, and is vda again once libvirt says so.
        polls.wait_for(has("vda"), within=30)
        with plugged(lab, tmp_path):
            polls.wait_for(has(NIC), within=20)


@contextmanager
def snapshot(lab: RunningLab, guest: str, folder: Path) -> Iterator[None]:
    """The guest's disk is a file over what was its disk before."""
    overlay = folder / "overlay.qcow2"
    disk = f"vda,snapshot=external,file={overlay}"
    lab.virsh("snapshot-create-as", guest, "--disk-only", "--no-metadata", "--diskspec", disk)
    try:
        yield
    finally:
        lab.virsh("blockcommit", guest, "vda", "--active", "--pivot", "--wait")


def test_an_external_snapshot_is_seen_at_once_in_the_files(lab: RunningLab, host: Host, tmp_path: Path) -> None:
    with host.follow() as poller, Polls(poller.poll) as polls:
        polls.wait_for(has("vda", domain="vm2"))
        with snapshot(lab, "vm2", tmp_path):
            done = time.monotonic()
            seen = polls.wait_for(has("vda", "unsupported", "vm2"))
            assert seen.began - done < 1
            [disk] = lab.domains(host)["vm2"].disks
            assert disk.source == str(tmp_path / "overlay.qcow2")
            assert "only QEMU" in disk.reason
        polls.wait_for(has("vda", domain="vm2"))
    check_beat(polls)


def test_an_external_snapshot_is_seen_by_the_slow_look_at_a_connection(lab: RunningLab, tmp_path: Path) -> None:
    empty = tmp_path / "run"
    empty.mkdir()
    host = Host(run=empty, libvirt=lab.uri)
    with host.follow(interval=2) as poller, Polls(poller.poll) as polls:
        polls.wait_for(has("vda", domain="vm2"))
        with snapshot(lab, "vm2", tmp_path):
            polls.wait_for(has("vda", "unsupported", "vm2"), within=20)
        polls.wait_for(has("vda", domain="vm2"), within=20)
    check_beat(polls)
