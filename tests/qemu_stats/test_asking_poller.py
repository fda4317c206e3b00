"""A poller that asks QEMUs for the disks that only they count: whom it asks, and what it says where it may not."""

import errno
import gc
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testkit.fakes import qemu as fake_qemu
from testkit.fakes.qemu import FakeQemu
from testkit.trees.processes import ProcessTree
from testkit.until import until
from vmiostat import Host, Poller
from vmiostat.qemu_stats.query_loop import QueryLoop

KVM = (
    "/usr/bin/kvm -id {number} -name {name} -drive file=/images/{name}.qcow2,if=none,id=drive-virtio0 "
    "-device virtio-blk-pci,drive=drive-virtio0,id=virtio0 "
)
QMP = "-chardev socket,id=qmp,path=/run/{name}.qmp,server=on,wait=off -mon chardev=qmp,mode=control"
ON_SDB = "-drive file=/dev/sdb,if=none,id=drive-scsi0 -device scsi-hd,drive=drive-scsi0,id=scsi0 "


class Machine(ProcessTree):
    """A made machine whose QEMUs are processes by name only; their sockets are there."""

    def vm(self, number: int, name: str, options: str = QMP) -> None:
        self.process(number, (KVM + options).format(number=number, name=name).split(), {9: "/dev/sdb"})

    def sdb(self) -> None:
        """A disk of the machine, with 7 reads."""
        self.write("dev/sdb", "")
        self.disk("sdb", "8:16")
        self.write("proc/diskstats", "   8      16 sdb 7 0 8 0 0 0 0 0 0 0 0\n")

    @property
    def host(self) -> Host:
        return Host(self.root)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    (tmp_path / "run").mkdir()
    return Machine(tmp_path)


@pytest.fixture
def web1(machine: Machine) -> Iterator[FakeQemu]:
    machine.vm(100, "web1", ON_SDB + QMP)
    with fake_qemu.running(machine.root / "run/web1.qmp") as qemu:
        qemu.disks = [fake_qemu.disk("virtio0", 100)]
        yield qemu


def of_disks(poller: Poller, field: str) -> list[object]:
    """A field of each row, but for the rows of all that a domain does."""
    block = poller.poll().block
    return [getattr(row, field) for device, row in zip(block.devices, block, strict=True) if device != "total"]


def test_nobody_is_asked_unless_somebody_wants_it(machine: Machine, web1: FakeQemu) -> None:
    with machine.host.poller() as poller:
        assert poller.poll().block[0].state == "unsupported"
    assert web1.clients == 0
    with pytest.raises(ValueError, match="takes a qemu_interval"):
        machine.host.poller(block_source="qemu")  # type: ignore[call-overload]


def test_a_disk_that_only_qemu_counts(machine: Machine, web1: FakeQemu) -> None:
    with machine.host.poller(qemu_interval="on demand") as poller:
        assert poller.poll().block[0].state == "stale"
        assert web1.clients == 0
        assert poller.ask(5.0)
        row = poller.poll().block["web1", "virtio0"]
        assert (row.state, row.rd_req, row.fl_req) == ("ok", 100, 102)
        explained = poller.explain()[0]
        assert explained.source == "the newest answers of QMP /run/web1.qmp"
        assert explained.system_calls == 0


def test_every_so_many_seconds(machine: Machine, web1: FakeQemu) -> None:
    with machine.host.poller(qemu_interval=0.05) as poller:
        until(lambda: poller.poll().block[0].state == "ok")
        before = poller.poll()
        web1.disks = [fake_qemu.disk("virtio0", 200)]
        until(lambda: poller.poll().block[0].rd_req == 200)
        assert poller.poll().rates(before).block[0].rd_req > 0  # type: ignore[operator]


@pytest.mark.parametrize("wrong", [0, -1, float("inf"), float("nan"), "often"])
def test_what_is_no_interval(machine: Machine, wrong: float) -> None:
    with pytest.raises(ValueError, match="qemu_interval is a number of seconds above 0, 'on demand' or None"):
        machine.host.poller(qemu_interval=wrong)


@pytest.mark.parametrize(
    "options",
    ["", "-chardev socket,id=charmonitor,fd=27,server=on,wait=off -mon chardev=charmonitor,mode=control"],
)
def test_one_without_a_socket_is_unsupported_and_says_why(machine: Machine, options: str) -> None:
    machine.vm(100, "web1", options)
    with machine.host.poller(qemu_interval=1.0) as poller:
        assert poller.poll().block[0].state == "unsupported"
        assert "no QMP socket that others may use" in str(poller.problem("block", 0))


def test_the_kernel_s_counters_are_the_row_unless_qemu_s_are_asked_for(machine: Machine, web1: FakeQemu) -> None:
    machine.sdb()
    web1.disks += [fake_qemu.disk("scsi0", 500)]
    with machine.host.poller(qemu_interval="on demand") as poller:
        assert poller.ask(5.0)
        assert of_disks(poller, "rd_req") == [100, 7]
    with machine.host.poller(qemu_interval="on demand", block_source="qemu") as poller:
        assert poller.ask(5.0)
        assert of_disks(poller, "rd_req") == [100, 500]


def test_where_qemu_may_not_be_asked_the_kernel_s_counters_stay(machine: Machine) -> None:
    machine.sdb()
    machine.vm(100, "web1", ON_SDB)
    with machine.host.poller(qemu_interval="on demand", block_source="qemu") as poller:
        assert of_disks(poller, "state") == ["unsupported", "ok"]
        assert poller.poll().block["web1", "scsi0"].rd_req == 7


def test_it_follows_what_comes_and_goes(machine: Machine, web1: FakeQemu) -> None:
    with machine.host.poller(follow=True, every=0.1, qemu_interval=0.05) as poller:
        until(lambda: poller.poll().block[0].state == "ok")
        first = poller.poll()
        with fake_qemu.running(machine.root / "run/db1.qmp") as db1:
            db1.disks = [fake_qemu.disk("virtio0", 900)]
            machine.vm(200, "db1")
            until(lambda: of_disks(poller, "state") == ["ok", "ok"])
            second = poller.poll()
            assert second.block["web1", "virtio0"].generation == first.block[0].generation
            assert second.rates(first).block["web1", "virtio0"].state in ("ok", "stale"), (
                "the same row, its answer kept"
            )
            assert second.block["db1", "virtio0"].generation > first.block[0].generation
            for path in sorted((machine.root / "proc/200").rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
            until(lambda: set(poller.poll().block.domains) == {"web1"})
            time.sleep(0.2)
            clients = db1.clients
            time.sleep(0.3)
            assert db1.clients == clients, "who has gone is asked no more"


def asking() -> int:
    return sum(thread.name == "vmiostat-askers" for thread in threading.enumerate())


@pytest.mark.parametrize("follow", [False, True])
def test_closed_or_forgotten_it_asks_no_more(machine: Machine, web1: FakeQemu, *, follow: bool) -> None:
    def poller() -> object:
        if follow:
            return machine.host.poller(follow=True, qemu_interval=0.05)
        return machine.host.poller(qemu_interval=0.05)

    with machine.host.poller(qemu_interval=0.05):
        assert asking() == 1
    assert asking() == 0
    forgotten = poller()
    assert asking() == 1
    del forgotten
    gc.collect()
    until(lambda: asking() == 0)


@pytest.mark.usefixtures("web1")
@pytest.mark.parametrize("options", [{}, {"follow": True}])
def test_a_poller_that_is_refused_asks_nobody(machine: Machine, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="bad"):
        machine.host.poller(qemu_interval=0.05, interface_source="bad", **options)  # type: ignore[call-overload]
    gc.collect()
    assert asking() == 0


@pytest.mark.usefixtures("web1")
def test_a_thread_that_cannot_start_costs_the_rows_of_qemu_alone(machine: Machine) -> None:
    machine.sdb()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(QueryLoop, "__init__", no_descriptor)
        poller = machine.host.poller(follow=True, every=0.1, qemu_interval=0.05)
        assert of_disks(poller, "state") == ["stale", "ok"]
        assert "QMP /run/web1.qmp: nothing can be asked: " in str(poller.problem("block", 0))
        # Whoever comes gets its rows, and the watch goes on.
        machine.vm(200, "db1", "")
        until(lambda: of_disks(poller, "state") == ["stale", "ok", "unsupported", "ok"])
        assert not poller.watch.problems
    with poller:
        until(lambda: of_disks(poller, "state") == ["ok", "ok", "unsupported", "ok"])


def no_descriptor(*_: object) -> None:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def test_one_whose_command_line_could_not_be_read_is_asked_later(machine: Machine) -> None:
    machine.vm(100, "web1", "")
    with (
        fake_qemu.running(machine.root / "run/web1.qmp") as qemu,
        machine.host.poller(follow=True, every=0.1, qemu_interval=0.05) as poller,
    ):
        qemu.disks = [fake_qemu.disk("virtio0", 100)]
        assert poller.poll().block[0].state == "unsupported"
        machine.write(
            "proc/100/cmdline", "".join(f"{word}\0" for word in (KVM + QMP).format(name="web1", number=100).split())
        )
        until(lambda: poller.poll().block[0].state == "ok")


def test_nobody_to_ask_takes_no_thread(machine: Machine) -> None:
    with machine.host.poller(qemu_interval=1.0) as poller:
        assert asking() == 0
        assert poller.ask(5.0)
