"""A watch follows the changes of libvirt's status files."""

import gc
import threading
import time
from pathlib import Path

import pytest

from testkit.real.process import descriptors
from testkit.targets import targets
from testkit.trees.libvirt import LibvirtTree
from testkit.until import until
from testkit.watches import NEVER, names, watch_threads
from vmiostat import Host, TopologyError
from vmiostat.watching.watch import Watch


def test_a_domain_that_starts_changes_and_ends(tree: LibvirtTree, watch: Watch) -> None:
    assert names(watch) == ["web1"]
    seen = watch.changes
    tree.start("db1", ["vnet1"], number=2)
    assert watch.wait(seen, 10)
    assert names(watch) == ["db1", "web1"]
    seen = watch.changes
    tree.start("db1", ["vnet1", "vnet2"], number=2)
    assert watch.wait(seen, 10)
    assert targets(watch.domains[0].interfaces) == ["vnet1", "vnet2"]
    seen = watch.changes
    tree.end("web1")
    assert watch.wait(seen, 10)
    assert names(watch) == ["db1"]
    assert watch.domains[0].interface_stats("vnet1").rx_bytes == 20


@pytest.mark.timing
def test_a_change_is_found_at_once(tree: LibvirtTree, watch: Watch) -> None:
    took = []
    for number in range(20):
        seen = watch.changes
        start = time.monotonic()
        tree.start("web1", [f"vnet{number + 5}"])
        assert watch.wait(seen, 10)
        took.append(time.monotonic() - start)
    assert sorted(took)[10] < 0.1


def test_a_file_written_again_with_the_same_content_is_no_change(tree: LibvirtTree, watch: Watch) -> None:
    tree.start("web1", ["vnet0"])
    assert not watch.wait(watch.changes, 0.3)


def test_the_folders_of_libvirt_may_come_and_go(tmp_path: Path) -> None:
    tree = LibvirtTree(tmp_path / "machine")
    tree.interfaces({"vnet0": 10})
    with Host(tree.root).watch(NEVER) as watch:
        assert watch.wait(timeout=10)
        assert names(watch) == ["host"]  # there is no /run yet
    (tree.root / "run").mkdir()
    with Host(tree.root).watch(NEVER) as watch:
        assert watch.wait(timeout=10)
        for _ in range(3):
            tree.start("web1", ["vnet0"])
            until(lambda: names(watch) == ["host", "web1"])
            tree.start("db1")
            until(lambda: names(watch) == ["host", "db1", "web1"])
            tree.end("web1")
            tree.end("db1")
            tree.folder.rmdir()
            tree.folder.parent.rmdir()
            until(lambda: names(watch) == ["host"])


def test_a_folder_that_is_moved_away_is_no_longer_watched(tree: LibvirtTree, watch: Watch, tmp_path: Path) -> None:
    tree.folder.rename(tmp_path / "away")
    until(lambda: names(watch) == ["host"])
    tree.start("db1", ["vnet1"])
    until(lambda: names(watch) == ["host", "db1"])
    seen = watch.changes
    (tmp_path / "away/web1.xml").unlink()
    assert not watch.wait(seen, 0.2)


def test_a_bad_file_affects_no_other(tree: LibvirtTree, watch: Watch) -> None:
    (tree.folder / "bad.xml").write_text("<domstatus>")
    tree.start("db1", ["vnet1"])
    until(lambda: names(watch) == ["db1", "web1"])
    (problem,) = watch.problems
    assert isinstance(problem, TopologyError)
    (tree.folder / "bad.xml").unlink()
    until(lambda: watch.problems == ())


def test_definitions_in_a_given_folder(tmp_path: Path) -> None:
    tree = LibvirtTree(tmp_path / "machine")
    tree.interfaces({})
    folder = tmp_path / "xml"
    folder.mkdir()
    (folder / "web1.xml").write_text("<domain type='kvm'><name>web1</name></domain>")
    with Host(tree.root, xml=folder).watch(NEVER) as watch:
        assert watch.wait(timeout=10)
        assert names(watch) == ["web1"]
        (folder / "web1.xml").write_text("<domain type='kvm'><name>web2</name></domain>")
        until(lambda: names(watch) == ["web2"])


def test_one_definition_file_of_any_name(tmp_path: Path) -> None:
    tree = LibvirtTree(tmp_path / "machine")
    tree.interfaces({})
    file = tmp_path / "guest.definition"
    file.write_text("<domain type='kvm'><name>web1</name></domain>")
    with Host(tree.root, xml=str(file)).watch(NEVER) as watch:
        assert watch.wait(timeout=10)
        (tmp_path / "new").write_text("<domain type='kvm'><name>web2</name></domain>")
        (tmp_path / "new").rename(file)
        until(lambda: names(watch) == ["web2"])


def test_a_scan_at_the_interval_finds_what_no_event_announces(tree: LibvirtTree) -> None:
    with Host(tree.root).watch(0.1) as watch:
        assert watch.wait(timeout=10)
        assert watch.domains[0].interfaces[0].reason == ""
        tree.interfaces({})
        until(lambda: "no interface" in watch.domains[0].interfaces[0].reason)


def test_a_rescan_finds_what_comes_shortly_after_its_event(tree: LibvirtTree, watch: Watch) -> None:
    tree.start("web1", ["vnet9"])
    until(lambda: targets(watch.domains[0].interfaces) == ["vnet9"])
    assert watch.domains[0].interfaces[0].reason
    tree.interfaces({"vnet9": 1})
    until(lambda: not watch.domains[0].interfaces[0].reason)


def test_iterating_gives_the_domains_now_and_after_each_change(tree: LibvirtTree, watch: Watch) -> None:
    given = []
    for domains in watch:
        given.append([domain.name for domain in domains])
        if len(given) == 3:
            break
        tree.start(f"more{len(given)}")
    assert given == [["web1"], ["more1", "web1"], ["more1", "more2", "web1"]]
    threading.Timer(0.05, watch.close).start()
    assert [len(domains) for domains in watch] == [3]


def test_a_watch_that_is_closed_or_deleted_leaves_nothing_behind(tree: LibvirtTree) -> None:
    host = Host(tree.root)
    with host.watch() as watch:
        watch.wait()
    gc.collect()
    before = descriptors()
    for _ in range(20):
        with host.watch() as watch:
            assert watch.wait(timeout=10)
        watch.close()  # again
        assert list(watch) == []
        assert not watch.wait(watch.changes)
    deleted = host.watch()
    assert deleted.wait(timeout=10)
    del deleted, watch
    gc.collect()
    until(lambda: not watch_threads())
    assert descriptors() <= before


@pytest.mark.parametrize("interval", [0, -1, float("nan"), float("inf")])
def test_invalid_intervals(tree: LibvirtTree, interval: float) -> None:
    with pytest.raises(ValueError, match="interval must be a number of seconds above 0"):
        Host(tree.root).watch(interval)
