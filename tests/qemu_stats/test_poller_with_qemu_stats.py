"""A poller that queries QEMU for the disks that only QEMU counts: which are queried, and the reason where none is."""

import errno
import gc
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testkit.fakes import qemu as fake_qemu
from testkit.fakes.qemu import FakeQemu
from testkit.trees.qemu import KVM, ON_SDB, QMP, QemuTree
from testkit.until import until
from vmiostat import Poller
from vmiostat.qemu_stats.query_loop import QueryLoop


@pytest.fixture
def machine(tmp_path: Path) -> QemuTree:
    (tmp_path / "run").mkdir()
    return QemuTree(tmp_path)


@pytest.fixture
def web1(machine: QemuTree) -> Iterator[FakeQemu]:
    machine.vm(100, "web1", ON_SDB + QMP)
    with fake_qemu.running(machine.root / "run/web1.qmp") as qemu:
        qemu.disks = [fake_qemu.disk("virtio0", 100)]
        yield qemu


def of_disks(poller: Poller, field: str) -> list[object]:
    """A field of each row, without the rows `total`."""
    block = poller.poll().block
    return [getattr(row, field) for device, row in zip(block.devices, block, strict=True) if device != "total"]


def test_qemu_is_not_queried_unless_requested(machine: QemuTree, web1: FakeQemu) -> None:
    with machine.host.poller() as poller:
        assert poller.poll().block[0].state == "unsupported"
    assert web1.clients == 0
    with pytest.raises(ValueError, match="takes a qemu_interval"):
        machine.host.poller(block_source="qemu")


def test_a_disk_that_only_qemu_counts(machine: QemuTree, web1: FakeQemu) -> None:
    with machine.host.poller(qemu_interval="on demand") as poller:
        assert poller.poll().block[0].state == "stale"
        assert web1.clients == 0
        assert poller.query(5.0)
        row = poller.poll().block["web1", "virtio0"]
        assert (row.state, row.rd_req, row.fl_req) == ("ok", 100, 102)
        explained = poller.explain()[0]
        assert explained.source == "the newest answers of QMP /run/web1.qmp"
        assert explained.system_calls == 0


def test_queries_at_an_interval(machine: QemuTree, web1: FakeQemu) -> None:
    with machine.host.poller(qemu_interval=0.05) as poller:
        until(lambda: poller.poll().block[0].state == "ok")
        before = poller.poll()
        web1.disks = [fake_qemu.disk("virtio0", 200)]
        until(lambda: poller.poll().block[0].rd_req == 200)
        assert poller.poll().rates(before).block[0].rd_req > 0  # type: ignore[operator]


@pytest.mark.parametrize("wrong", [0, -1, float("inf"), float("nan"), "often"])
def test_invalid_intervals(machine: QemuTree, wrong: float) -> None:
    with pytest.raises(ValueError, match="qemu_interval must be a number of seconds above 0, 'on demand' or None"):
        machine.host.poller(qemu_interval=wrong)


@pytest.mark.parametrize(
    "options",
    ["", "-chardev socket,id=charmonitor,fd=27,server=on,wait=off -mon chardev=charmonitor,mode=control"],
)
def test_a_disk_of_a_qemu_without_a_socket_is_unsupported_with_the_reason(machine: QemuTree, options: str) -> None:
    machine.vm(100, "web1", options)
    with machine.host.poller(qemu_interval=1.0) as poller:
        assert poller.poll().block[0].state == "unsupported"
        assert "no QMP socket for other clients" in str(poller.problem("block", 0))


def test_a_row_has_the_counters_of_the_kernel_unless_those_of_qemu_are_requested(
    machine: QemuTree, web1: FakeQemu
) -> None:
    machine.sdb()
    web1.disks += [fake_qemu.disk("scsi0", 500)]
    with machine.host.poller(qemu_interval="on demand") as poller:
        assert poller.query(5.0)
        assert of_disks(poller, "rd_req") == [100, 7]
    with machine.host.poller(qemu_interval="on demand", block_source="qemu") as poller:
        assert poller.query(5.0)
        assert of_disks(poller, "rd_req") == [100, 500]


def test_a_disk_under_a_name_that_only_qemu_has_is_known_by_what_it_opens(machine: QemuTree, web1: FakeQemu) -> None:
    """As after device_add: the command line does not name it."""
    machine.sdb()
    web1.disks += [fake_qemu.disk("plugged", 500) | {"node-name": "hot", "parent": {}}]
    web1.images = [{"node-name": "hot", "file": "/dev/sdb"}, {"node-name": "libvirt-1-storage", "file": "/dev/sdc"}]
    with machine.host.poller(qemu_interval="on demand", block_source="qemu") as poller:
        assert poller.query(5.0)
        assert of_disks(poller, "rd_req") == [100, 500]


def test_two_disks_that_open_the_same_device_are_not_confused(machine: QemuTree, web1: FakeQemu) -> None:
    machine.sdb()
    twins = [fake_qemu.disk(name, 500) | {"node-name": name, "parent": {}} for name in ("one", "other")]
    web1.disks += twins
    web1.images = [{"node-name": name, "file": "/dev/sdb"} for name in ("one", "other")]
    with machine.host.poller(qemu_interval="on demand", block_source="qemu") as poller:
        assert poller.query(5.0)
        assert of_disks(poller, "rd_req") == [100, 7]


def test_the_counters_of_the_kernel_are_better_than_none_where_qemu_does_not_know_the_disk(
    machine: QemuTree, web1: FakeQemu
) -> None:
    machine.sdb()
    with machine.host.poller(qemu_interval="on demand", block_source="qemu") as poller:
        assert poller.query(5.0)
        by_kernel = poller.poll()
        assert of_disks(poller, "rd_req") == [100, 7]
        assert of_disks(poller, "state") == ["ok", "ok"]
        web1.disks += [fake_qemu.disk("scsi0", 500)]
        assert poller.query(5.0)
        assert of_disks(poller, "rd_req") == [100, 500]
        assert poller.poll().rates(by_kernel).block["web1", "scsi0"].state == "replaced"


def test_the_counters_of_the_kernel_stay_where_qemu_cannot_be_queried(machine: QemuTree) -> None:
    machine.sdb()
    machine.vm(100, "web1", ON_SDB)
    with machine.host.poller(qemu_interval="on demand", block_source="qemu") as poller:
        assert of_disks(poller, "state") == ["unsupported", "ok"]
        assert poller.poll().block["web1", "scsi0"].rd_req == 7


def test_it_follows_guests_that_start_and_end(machine: QemuTree, web1: FakeQemu) -> None:
    with machine.host.follow(interval=0.1, qemu_interval=0.05) as poller:
        until(lambda: poller.poll().block[0].state == "ok")
        first = poller.poll()
        with fake_qemu.running(machine.root / "run/db1.qmp") as db1:
            db1.disks = [fake_qemu.disk("virtio0", 900)]
            machine.vm(200, "db1")
            until(lambda: of_disks(poller, "state") == ["ok", "ok"])
            second = poller.poll()
            assert second.block["web1", "virtio0"].generation == first.block[0].generation
            assert second.rates(first).block["web1", "virtio0"].state in ("ok", "stale"), (
                "the row and its answer are carried over"
            )
            assert second.block["db1", "virtio0"].generation > first.block[0].generation
            for path in sorted((machine.root / "proc/200").rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
            until(lambda: set(poller.poll().block.domains) == {"web1"})
            until(two_more_clients(web1))  # a query of db1 that was in flight has ended by then
            clients = db1.clients
            until(two_more_clients(web1))
            assert db1.clients == clients, "a guest that has ended is queried no more"


def two_more_clients(qemu: FakeQemu) -> Any:
    before = qemu.clients
    return lambda: qemu.clients >= before + 2


def query_threads() -> int:
    return sum(thread.name == "vmiostat-query" for thread in threading.enumerate())


@pytest.mark.parametrize("follow", [False, True])
def test_a_poller_that_is_closed_or_deleted_ends_its_queries(
    machine: QemuTree, web1: FakeQemu, *, follow: bool
) -> None:
    def poller() -> object:
        if follow:
            return machine.host.follow(qemu_interval=0.05)
        return machine.host.poller(qemu_interval=0.05)

    with machine.host.poller(qemu_interval=0.05):
        assert query_threads() == 1
    assert query_threads() == 0
    deleted = poller()
    assert query_threads() == 1
    del deleted
    gc.collect()
    until(lambda: query_threads() == 0)


@pytest.mark.usefixtures("web1")
@pytest.mark.parametrize("opening", ["poller", "follow"])
def test_a_poller_with_invalid_options_starts_no_queries(machine: QemuTree, opening: str) -> None:
    with pytest.raises(ValueError, match="bad"):
        getattr(machine.host, opening)(qemu_interval=0.05, interface_source="bad")
    gc.collect()
    assert query_threads() == 0


@pytest.mark.usefixtures("web1")
def test_a_thread_that_cannot_start_affects_the_rows_of_qemu_only(machine: QemuTree) -> None:
    machine.sdb()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(QueryLoop, "__init__", no_descriptor)
        poller = machine.host.follow(interval=0.1, qemu_interval=0.05)
        assert of_disks(poller, "state") == ["stale", "ok"]
        assert "QMP /run/web1.qmp: queries cannot start: " in str(poller.problem("block", 0))
        # A new guest gets its rows, and the watch goes on.
        machine.vm(200, "db1", "")
        until(lambda: of_disks(poller, "state") == ["stale", "ok", "unsupported", "ok"])
        assert not poller.problems
    with poller:
        until(lambda: of_disks(poller, "state") == ["ok", "ok", "unsupported", "ok"])


def no_descriptor(*_: object) -> None:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def test_a_qemu_whose_command_line_becomes_readable_is_queried(machine: QemuTree) -> None:
    machine.vm(100, "web1", "")
    with (
        fake_qemu.running(machine.root / "run/web1.qmp") as qemu,
        machine.host.follow(interval=0.1, qemu_interval=0.05) as poller,
    ):
        qemu.disks = [fake_qemu.disk("virtio0", 100)]
        assert poller.poll().block[0].state == "unsupported"
        machine.write(
            "proc/100/cmdline", "".join(f"{word}\0" for word in (KVM + QMP).format(name="web1", number=100).split())
        )
        until(lambda: poller.poll().block[0].state == "ok")


def test_without_clients_there_is_no_thread(machine: QemuTree) -> None:
    with machine.host.poller(qemu_interval=1.0) as poller:
        assert query_threads() == 0
        assert poller.query(5.0)
