"""Disks that tapdisk3 serves: from pages that the test makes, also while it writes them."""

import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.fakes.xenstored import running
from testkit.trees.xen import XenTree
from vmiostat import Disk, Domain, Host, NoCounters, Poller, Roots, SourceError
from vmiostat.counter_sources import Tapdisk
from vmiostat.resolve import resolve

XVDA = 51712
PAGE = struct.Struct("<II11Q")


def page(n: int, *, version: int = 1) -> bytes:
    """All counters of one age: n reads of 4 KiB that took a millisecond each, twice as many writes, all answered."""
    return PAGE.pack(version, 0, 7, n, n, 8 * n, 1000 * n, 2 * n, 2 * n, 16 * n, 2000 * n, 0, 0)


class Tree(XenTree):
    """A domain `web1` with the disk xvda, which tapdisk serves."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.domain(1, "web1", "ea1b1a9e-0000-4000-8000-000000000001")
        backend = f"/local/domain/0/backend/vbd3/1/{XVDA}"
        self.store |= {f"{backend}/dev": "xvda", f"{backend}/params": "vhd:/srv/a.vhd"}
        folder = self.folder(f"vbd3-1-{XVDA}")
        folder.mkdir(parents=True)
        # No kernel driver is bound to it: tapback, which serves it, is a process.
        (folder / "state").write_text("Initialising\n")

    def page(self, pid: int, data: bytes) -> Path:
        path = self.root / f"dev/shm/td3-{pid}/vbd-1-{XVDA}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.ljust(4096, b"\0"))
        return path


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "machine")


def poller(tree: Tree, pid: int = 300) -> Poller:
    return Poller(Roots(tree.root), [("web1", "xvda", Tapdisk(pid, 1, XVDA))], [])


def test_its_numbers(tree: Tree) -> None:
    tree.page(300, PAGE.pack(1, 0, 3, 110, 100, 800, 5_000, 220, 200, 1600, 9_000, 9, 1))
    with poller(tree) as open_poller:
        row = open_poller.poll().block[0]
        (explained,) = open_poller.explain()
    assert row.v1 == (100, 800 * 512, 200, 1600 * 512, 3)
    assert (row.rd_time, row.wr_time, row.in_flight) == (5_000_000, 9_000_000, 30)
    assert (row.fl_req, row.ds_req, row.busy_time) == (-1, -1, -1)
    assert (explained.system_calls, explained.why) == (3, "the only counters of tapdisk")


@pytest.mark.parametrize("in_xenstore", [True, False])
def test_it_is_found_by_xenstore_or_by_its_page(tree: Tree, in_xenstore: bool) -> None:
    tree.page(300, page(4))
    tree.page(299, page(1)).unlink()  # a disk of another process
    if in_xenstore:
        tree.store[f"/local/domain/0/backend/vbd3/1/{XVDA}/kthread-pid"] = "300"
        with running(tree.root, tree.store):
            domain = Host(tree.root).domain("web1")
            assert domain.disks[0].source == "/srv/a.vhd"
    else:
        domain = Host(tree.root).domain("Domain-1")
    assert domain.disks[0].counter_source == Tapdisk(300, 1, XVDA)
    assert domain.block_stats("xvda").v1 == (4, 4 * 4096, 8, 8 * 4096, 7)


def test_one_that_was_killed_leaves_its_page(tree: Tree) -> None:
    tree.page(200, page(1))
    tree.page(300, page(4))
    tree.page(400, page(9))
    (tree.root / "proc/300").mkdir()
    assert Host(tree.root).domain(1).block_stats("xvda").rd_req == 4


def test_no_page(tree: Tree) -> None:
    with pytest.raises(NoCounters, match=r"its backend is tapdisk \(vbd3-1-51712\), whose statistics"):
        Host(tree.root).domain(1).block_stats("xvda")


def test_its_state_in_sysfs_is_ignored(tree: Tree) -> None:
    tree.page(300, page(4))
    domain = Domain("web1", id=1, type="xen", disks=(Disk("xvda", source="/srv/a.vhd"),))
    (disk,) = resolve(domain, Roots(tree.root)).disks
    assert (disk.counter_source, disk.reason) == (Tapdisk(300, 1, XVDA), "")


@pytest.mark.parametrize(
    ("state", "reason"),
    [("4", ""), ("2", "its backend is in state InitWait: the guest is not connected to it"), ("9", ""), ("", "")],
)
def test_xenstore_knows_whether_its_guest_is_connected(tree: Tree, state: str, reason: str) -> None:
    tree.page(300, page(4))
    backend = f"/local/domain/0/backend/vbd3/1/{XVDA}"
    tree.store |= {f"{backend}/kthread-pid": "300", f"{backend}/state": state}
    with running(tree.root, tree.store):
        (disk,) = Host(tree.root).domain("web1").disks
    assert (disk.counter_source, disk.reason) == (Tapdisk(300, 1, XVDA), reason)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (page(4, version=2).ljust(4096, b"\0"), "tapdisk's statistics are not of version 1"),
        (b"\0" * 4096, "tapdisk has not written its statistics yet"),
        (page(4)[:-1], "shorter than tapdisk's statistics"),
        (b"", "shorter than tapdisk's statistics"),
        (PAGE.pack(1, 0, 0, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0), "no two reads of its counters are consistent"),
    ],
    ids=["version 2", "version 0", "short", "empty", "more completed than submitted"],
)
def test_a_page_that_cannot_be_used_costs_its_row_and_heals(tree: Tree, data: bytes, words: str) -> None:
    path = tree.page(300, b"")
    path.write_bytes(data)
    with poller(tree) as open_poller:
        assert open_poller.poll().block[0].state == "unreadable"
        problem = open_poller.problem("block", 0)
        assert isinstance(problem, SourceError)
        assert words in str(problem)
        assert "td3-300/vbd-1-51712" in str(problem)
        tree.page(300, page(4))
        assert (open_poller.poll().block[0].state, open_poller.poll().block[0].rd_req) == ("ok", 4)


def test_a_page_that_is_deleted_is_gone_though_its_file_is_open(tree: Tree) -> None:
    path = tree.page(300, page(4))
    with poller(tree) as open_poller:
        before = open_poller.poll()
        path.unlink()
        assert open_poller.poll().block[0].state == "gone"
        tree.page(300, page(0))
        assert open_poller.reopen() == 1
        after = open_poller.poll()
    assert (after.block[0].state, after.block[0].rd_req) == ("ok", 0)
    assert after.rates(before).block[0].state == "replaced"


@pytest.fixture
def written(tree: Tree) -> Iterator[Path]:
    """A page that is written in the worst order: word by word, completed requests before submitted ones."""
    path = tree.page(300, page(0))
    ended = threading.Event()

    def write() -> None:
        order = (9, 8, 7, 6, 5, 4, 3, 2, 1)  # io_errors to oo_reqs
        n = 0
        with path.open("r+b", buffering=0) as file:
            while not ended.is_set():
                n += 1
                data = page(n)
                for word in order:
                    file.seek(8 + 8 * word)
                    file.write(data[8 + 8 * word : 16 + 8 * word])

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    yield path
    ended.set()
    writer.join()


def test_a_page_that_is_being_written_is_never_read_half(tree: Tree, written: Path) -> None:
    last = -1
    read = 0
    with poller(tree) as open_poller:
        for _ in range(3000):
            row = open_poller.poll().block[0]
            if row.state != "ok":
                assert row.state == "unreadable"
                continue
            read += 1
            assert 0 <= row.in_flight <= 3  # of one age: written between two readings at most
            assert last <= row.rd_req
            last = row.rd_req
    assert read > 1000
    assert last > 0
