"""The rows of a following poller are the devices of the host: unchanged ones keep their history, others are new."""

import gc
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testkit.real.process import descriptors
from testkit.targets import targets
from testkit.trees.libvirt import LibvirtTree
from testkit.until import until
from testkit.watches import NEVER, watch_threads
from vmiostat import Domain, Host, InterfaceStats, Poller, SizeError
from vmiostat.model import TOTAL

DISK = "<disk type='block' device='disk'><source dev='/dev/{}'/><target dev='vda' bus='virtio'/></disk>"
OVERLAY = (
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/images/overlay.qcow2'/>"
    "<target dev='vda' bus='virtio'/></disk>"
)
STAT = "{0} 0 {0} 0 {0} 0 {0} 0 0 0 0 0 0 0 0 0 0\n"


@pytest.fixture
def tree(tmp_path: Path) -> LibvirtTree:
    """Interfaces vnetN, whose counters are all N, and disks sda and sdb, whose counters are 1 and 2."""
    tree = LibvirtTree(tmp_path / "machine")
    tree.interfaces({f"vnet{number}": number for number in range(300)})
    for number, name in enumerate(("sda", "sdb")):
        folder = tree.root / f"sys/dev/block/8:{16 * number}"
        folder.mkdir(parents=True)
        (folder / "dev").write_text(f"8:{16 * number}\n")
        (folder / "stat").write_text(STAT.format(number + 1))
        (tree.root / "sys/class/block").mkdir(parents=True, exist_ok=True)
        (tree.root / "sys/class/block" / name).symlink_to(f"../../dev/block/8:{16 * number}")
    tree.process(4000, started=10)
    tree.start("web1", ["vnet1"], disks=[DISK.format("sda")])
    return tree


@pytest.fixture
def poller(tree: LibvirtTree) -> Iterator[Poller]:
    with Host(tree.root).follow(interval=NEVER) as poller:
        yield poller


def rows(poller: Poller) -> dict[tuple[str, str], tuple[int, str]]:
    """The rd_req or rx_packets (as the guest sees it) of each device, and the state."""
    sample = poller.poll()
    block, interface = sample.block, sample.interface
    return {
        (domain, device): (stats.rd_req, stats.state)
        for domain, device, stats in zip(block.domains, block.devices, block, strict=True)
        if device != TOTAL
    } | {
        (domain, device): (stats.rx_packets, stats.state)
        for domain, device, stats in zip(interface.domains, interface.devices, interface, strict=True)
    }


WEB1 = {("web1", "vda"): (1, "ok"), ("web1", "vnet1"): (1, "ok")}


def test_the_first_plan_is_there_from_the_start(poller: Poller) -> None:
    assert rows(poller) == WEB1
    assert [domain.name for domain in poller.domains] == ["web1"]
    assert (poller.block_rows, poller.interface_rows) == (2, 1)  # its disk, its total; its interface


def test_devices_and_domains_that_come_and_go(tree: LibvirtTree, poller: Poller) -> None:
    tree.start("web1", ["vnet1", "vnet2"], disks=[DISK.format("sda")])
    until(lambda: rows(poller) == WEB1 | {("web1", "vnet2"): (2, "ok")})
    tree.start("db1", ["vnet3"], number=2)
    until(lambda: rows(poller) == WEB1 | {("web1", "vnet2"): (2, "ok"), ("db1", "vnet3"): (3, "ok")})
    tree.end("db1")
    tree.start("web1", ["vnet1"], disks=[DISK.format("sda")])
    until(lambda: rows(poller) == WEB1)
    assert [targets(domain.interfaces) for domain in poller.domains] == [["vnet1"]]


def test_a_row_that_stays_keeps_its_history(tree: LibvirtTree, poller: Poller) -> None:
    before = poller.poll()
    tree.start("a-first", ["vnet3"], number=2)  # before all other rows
    tree.start("web1", ["vnet2", "vnet1"], disks=[DISK.format("sda")])
    until(lambda: len(rows(poller)) == 4)
    after = poller.poll()
    at, nic = ("web1", "vda"), ("web1", "vnet1")
    assert after.block[at].generation == before.block[at].generation
    assert after.interface[nic].generation == before.interface[nic].generation
    rates = after.rates(before)
    assert (rates.block["web1", "vda"].state, rates.block["web1", "vda"].rd_req) == ("ok", 0)
    assert (rates.interface["web1", "vnet1"].state, rates.interface["web1", "vnet1"].rx_bytes) == ("ok", 0)
    new = rates.interface["web1", "vnet2"]
    assert (new.state, new.rx_bytes) == ("new", None)
    assert after.interface["web1", "vnet2"].generation > before.interface["web1", "vnet1"].generation


@pytest.mark.parametrize("again", ["id", "pid", "reused pid"])
def test_a_domain_that_was_restarted_is_another_one(tree: LibvirtTree, poller: Poller, again: str) -> None:
    before = poller.poll()
    was = poller.domains
    tree.process(4000, started=20 if again == "reused pid" else 10)
    tree.process(4001, started=20)
    number, pid = 2 if again == "id" else 1, 4001 if again == "pid" else 4000
    tree.start("web1", ["vnet1"], disks=[DISK.format("sda")], number=number, pid=pid)
    until(lambda: poller.domains != was)
    after = poller.poll()
    assert after.block["web1", "vda"].generation > before.block["web1", "vda"].generation
    assert after.interface["web1", "vnet1"].generation > before.interface["web1", "vnet1"].generation
    rates = after.rates(before)
    assert (rates.block["web1", "vda"].state, rates.block["web1", "vda"].rd_req) == ("replaced", None)
    assert (rates.interface["web1", "vnet1"].state, rates.interface["web1", "vnet1"].rx_bytes) == ("replaced", None)


def test_another_device_under_the_same_target_is_another_row(tree: LibvirtTree, poller: Poller) -> None:
    before = poller.poll()
    tree.start("web1", ["vnet1"], disks=[DISK.format("sdb")])
    until(lambda: rows(poller)["web1", "vda"] == (2, "ok"))
    rates = poller.poll().rates(before)
    assert (rates.block["web1", "vda"].state, rates.block["web1", "vda"].rd_req) == ("replaced", None)
    assert rates.interface["web1", "vnet1"].state == "ok"


def test_after_an_external_snapshot_the_disk_is_unsupported_with_the_reason(tree: LibvirtTree, poller: Poller) -> None:
    tree.start("web1", ["vnet1"], disks=[OVERLAY])
    until(lambda: rows(poller) == {("web1", "vda"): (-1, "unsupported"), ("web1", "vnet1"): (1, "ok")})
    (disk,) = poller.domains[0].disks
    assert "only QEMU" in disk.reason
    tree.start("web1", ["vnet1"], disks=[DISK.format("sda")])  # the snapshot was committed
    until(lambda: rows(poller) == WEB1)


def test_an_interface_that_swaps_rx_and_tx_is_another_row(tree: LibvirtTree, poller: Poller) -> None:
    before = poller.poll()
    tree.start("web1", ["vnet1"], disks=[DISK.format("sda")], kind="direct")
    until(lambda: not poller.domains[0].interfaces[0].swap_rx_tx)
    assert poller.poll().rates(before).interface["web1", "vnet1"].state == "replaced"


def test_a_device_that_cannot_be_opened_is_opened_later(tree: LibvirtTree, poller: Poller) -> None:
    stat = tree.root / "sys/dev/block/8:16/stat"
    stat.rename(stat.with_name("late"))
    tree.start("db1", disks=[DISK.format("sdb")], number=2)
    until(lambda: ("db1", "vda") in rows(poller))
    assert rows(poller)["db1", "vda"][1] in ("gone", "unreadable")
    stat.with_name("late").rename(stat)
    until(lambda: rows(poller)["db1", "vda"] == (2, "ok"))


def test_every_sample_has_the_rows_of_one_plan(tree: LibvirtTree, poller: Poller) -> None:
    """While plans change, no thread ever gets a counter under the name of another device."""
    wrong: list[tuple[str, int]] = []
    seen: set[str] = set()
    ended = threading.Event()

    def poll() -> None:
        while not ended.is_set():
            table = poller.poll().interface
            for device, stats in zip(table.devices, table, strict=True):
                seen.add(device)
                if stats.rx_bytes not in (int(device.removeprefix("vnet")), -1):
                    wrong.append((device, stats.rx_bytes))

    threads = [threading.Thread(target=poll) for _ in range(3)]
    for thread in threads:
        thread.start()
    for change in range(60):
        nics = [f"vnet{number}" for number in range(change % 7 + 1, 250, change % 5 + 40)]
        tree.start("web1", nics)
        until(lambda nics=nics: targets(poller.domains[0].interfaces) == nics)  # type: ignore[misc]
    ended.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(seen) > 20


def test_memory_for_too_few_rows_is_refused(tree: LibvirtTree, poller: Poller) -> None:
    row = InterfaceStats.SIZE
    memory = bytearray(2 * row)
    poller.poll_into(interface=memory)
    assert InterfaceStats.from_bytes(memory[:row]).rx_bytes == 1
    tree.start("web1", ["vnet1", "vnet2", "vnet3"])
    until(lambda: poller.interface_rows == 3)
    with pytest.raises(SizeError, match="3 rows"):
        poller.poll_into(interface=memory)
    memory = bytearray(3 * row)
    poller.poll_into(interface=memory)
    assert InterfaceStats.from_bytes(memory[-row:]).rx_bytes == 3


def test_a_scan_that_hangs_leaves_the_plan_unchanged(tree: LibvirtTree) -> None:
    go_on, hangs = threading.Event(), threading.Event()

    def select(domain: Domain) -> Domain:
        if domain.name == "hangs":
            hangs.set()
            go_on.wait()
        return domain

    with Host(tree.root).follow(interval=NEVER, select=select) as poller:
        tree.start("hangs")
        assert hangs.wait(10)
        for _ in range(100):
            assert rows(poller) == WEB1
    assert poller.closed
    assert watch_threads(), "close does not wait for it"
    go_on.set()
    until(lambda: not watch_threads())


def test_only_selected_domains_have_rows(tree: LibvirtTree) -> None:
    tree.start("db1", ["vnet2"], number=2)

    def select(domain: Domain) -> Domain | None:
        return domain if domain.name == "db1" else None

    with Host(tree.root).follow(interval=NEVER, select=select) as poller:
        assert rows(poller) == {("db1", "vnet2"): (2, "ok")}
        tree.start("web1", ["vnet5"])
        tree.start("db1", ["vnet2", "vnet3"], number=2)
        until(lambda: rows(poller) == {("db1", "vnet2"): (2, "ok"), ("db1", "vnet3"): (3, "ok")})
    wrong: tuple[Any, ...] = (lambda domain: domain.nmae, 5)
    for selects in wrong:
        with pytest.raises((AttributeError, TypeError)):
            Host(tree.root).follow(select=selects)
        assert watch_threads() == []


def test_each_takes_only_the_options_that_it_has_a_use_for(tree: LibvirtTree) -> None:
    host: Any = Host(tree.root)
    for options in ({"select": lambda domain: domain}, {"interval": 5.0}):
        with pytest.raises(TypeError, match=next(iter(options))):
            host.poller(**options)
    with pytest.raises(TypeError):
        host.follow(host.domains())
    assert watch_threads() == []


def test_scans_that_fail_again_and_again_leave_nothing_behind(tree: LibvirtTree) -> None:
    raised: list[weakref.ref[Exception]] = []

    class UnknownError(Exception):
        pass

    def select(domain: Domain) -> Domain:
        if domain.name != "web1":
            error = UnknownError(domain.name)
            raised.append(weakref.ref(error))
            raise error
        return domain

    with Host(tree.root).follow(interval=0.02, select=select) as poller:
        tree.start("db1", ["vnet2"], number=2)
        until(lambda: len(raised) > 10)
        assert "UnknownError" in str(poller.problems[0])
        assert rows(poller) == WEB1
    until(lambda: not watch_threads())
    gc.collect()
    assert not [error for error in raised if error() is not None]


def test_a_poller_that_is_closed_or_deleted_leaves_nothing_behind(tree: LibvirtTree) -> None:
    host = Host(tree.root)
    with host.follow() as poller:
        pass
    gc.collect()
    before = descriptors()
    for _ in range(20):
        with host.follow() as poller:
            assert rows(poller) == WEB1
        assert poller.closed
        assert poller.watch is not None
        assert poller.watch.closed
        with pytest.raises(ValueError, match="closed"):
            poller.poll()
        poller.close()
    deleted = host.follow()
    gone = weakref.ref(deleted)
    del deleted, poller
    gc.collect()
    assert gone() is None
    until(lambda: not watch_threads())
    assert descriptors() == before
