"""A watch sees what libvirt's status files become, and nothing that goes wrong there ends it."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.libvirt_tree import LibvirtTree
from tests.real.process import descriptors
from tests.until import until
from vmiostat import Domain, Error, Host, Roots, TopologyError, discovery
from vmiostat.watch import Watch
from vmiostat.watching.looking import Look
from vmiostat.watching.signals import Signals

NEVER = 1000.0
"""So rarely that a test would time out: whatever is seen was noticed."""


@pytest.fixture
def tree(tmp_path: Path) -> LibvirtTree:
    tree = LibvirtTree(tmp_path / "machine")
    tree.interfaces({"vnet0": 10, "vnet1": 20})
    tree.start("web1", ["vnet0"])
    return tree


@pytest.fixture
def watch(tree: LibvirtTree) -> Iterator[Watch]:
    with Host(tree.root).watch(NEVER) as watch:
        assert watch.wait(timeout=10)
        yield watch


def names(watch: Watch) -> list[str]:
    return [domain.name for domain in watch.domains]


def watch_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "vmiostat-watch"]


def test_a_domain_that_starts_changes_and_ends(tree: LibvirtTree, watch: Watch) -> None:
    assert names(watch) == ["web1"]
    seen = watch.changes
    tree.start("db1", ["vnet1"], number=2)
    assert watch.wait(seen, 10)
    assert names(watch) == ["db1", "web1"]
    seen = watch.changes
    tree.start("db1", ["vnet1", "vnet2"], number=2)
    assert watch.wait(seen, 10)
    assert watch.domains[0].interfaces == ["vnet1", "vnet2"]
    seen = watch.changes
    tree.end("web1")
    assert watch.wait(seen, 10)
    assert names(watch) == ["db1"]
    assert watch.domains[0].interface_stats("vnet1").rx_bytes == 20


def test_a_change_is_seen_at_once(tree: LibvirtTree, watch: Watch) -> None:
    took = []
    for number in range(20):
        seen = watch.changes
        start = time.monotonic()
        tree.start("web1", [f"vnet{number + 5}"])
        assert watch.wait(seen, 10)
        took.append(time.monotonic() - start)
    assert sorted(took)[10] < 0.1


def test_a_file_that_says_the_same_again_is_no_change(tree: LibvirtTree, watch: Watch) -> None:
    tree.start("web1", ["vnet0"])
    assert not watch.wait(watch.changes, 0.3)


def test_libvirt_s_folders_may_come_go_and_come_again(tmp_path: Path) -> None:
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
            until(lambda: names(watch) == ["web1"])
            tree.start("db1")
            until(lambda: names(watch) == ["db1", "web1"])
            tree.end("web1")
            tree.end("db1")
            tree.folder.rmdir()
            tree.folder.parent.rmdir()
            until(lambda: names(watch) == ["host"])


def test_a_folder_that_is_moved_away_is_watched_no_more(tree: LibvirtTree, watch: Watch, tmp_path: Path) -> None:
    tree.folder.rename(tmp_path / "away")
    until(lambda: names(watch) == ["host"])
    tree.start("db1", ["vnet1"])
    until(lambda: names(watch) == ["db1"])
    seen = watch.changes
    (tmp_path / "away/web1.xml").unlink()
    assert not watch.wait(seen, 0.2)


def test_a_bad_file_costs_itself_alone(tree: LibvirtTree, watch: Watch) -> None:
    (tree.folder / "bad.xml").write_text("<domstatus>")
    tree.start("db1", ["vnet1"])
    until(lambda: names(watch) == ["db1", "web1"])
    (problem,) = watch.problems
    assert isinstance(problem, TopologyError)
    (tree.folder / "bad.xml").unlink()
    until(lambda: watch.problems == ())


def test_definitions_in_a_folder_of_one_s_own(tmp_path: Path) -> None:
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


def test_one_definition_file_whatever_it_is_called(tmp_path: Path) -> None:
    tree = LibvirtTree(tmp_path / "machine")
    tree.interfaces({})
    file = tmp_path / "guest.definition"
    file.write_text("<domain type='kvm'><name>web1</name></domain>")
    with Host(tree.root, xml=str(file)).watch(NEVER) as watch:
        assert watch.wait(timeout=10)
        (tmp_path / "new").write_text("<domain type='kvm'><name>web2</name></domain>")
        (tmp_path / "new").rename(file)
        until(lambda: names(watch) == ["web2"])


def test_the_slow_look_sees_what_nobody_tells_of(tree: LibvirtTree) -> None:
    with Host(tree.root).watch(0.1) as watch:
        assert watch.wait(timeout=10)
        assert watch.domains[0].nics[0].reason == ""
        tree.interfaces({})
        until(lambda: "no interface" in watch.domains[0].nics[0].reason)


def test_what_comes_a_little_later_than_its_signal_is_seen_soon(tree: LibvirtTree, watch: Watch) -> None:
    tree.start("web1", ["vnet9"])
    until(lambda: watch.domains[0].interfaces == ["vnet9"])
    assert watch.domains[0].nics[0].reason
    tree.interfaces({"vnet9": 1})
    assert until(lambda: not watch.domains[0].nics[0].reason) < 3


def test_iteration_gives_the_list_now_and_after_each_change(tree: LibvirtTree, watch: Watch) -> None:
    given = []
    for domains in watch:
        given.append([domain.name for domain in domains])
        if len(given) == 3:
            break
        tree.start(f"more{len(given)}")
    assert given == [["web1"], ["more1", "web1"], ["more1", "more2", "web1"]]
    threading.Timer(0.05, watch.close).start()
    assert [len(domains) for domains in watch] == [3]


def found(*names: str) -> tuple[list[Domain], tuple[Error, ...]]:
    return [Domain(name) for name in names], ()


def watching(look: Look, root: Path, every: float = 0.05) -> Watch:
    return Watch(look, partial(Signals, Roots(root), None), every)


@pytest.mark.parametrize("error", [RuntimeError("broken"), OSError(5, "Input/output error"), Error("broken")])
def test_a_look_that_fails_costs_itself_alone(tmp_path: Path, error: Exception) -> None:
    fails = iter([False, True, True])

    def look(anew: bool) -> tuple[list[Domain], tuple[Error, ...]]:
        if next(fails, False):
            raise error
        return found("b" if watch_of else "a")

    watch_of: list[Watch] = []
    with watching(look, tmp_path, every=0.2) as watch:
        until(lambda: watch.problems)
        assert names(watch) == ["a"]
        assert str(error.args[-1]) in str(watch.problems[0])
        watch_of.append(watch)
        until(lambda: names(watch) == ["b"])
        assert watch.problems == ()


def test_a_first_look_that_fails_is_told_all_the_same(tmp_path: Path) -> None:
    def look(anew: bool) -> tuple[list[Domain], tuple[Error, ...]]:
        raise RuntimeError("broken")

    with watching(look, tmp_path) as watch:
        assert watch.wait(timeout=10)
        assert (watch.domains, len(watch.problems)) == ((), 1)


def test_a_look_that_hangs_holds_nobody_up(tmp_path: Path) -> None:
    goes_on = threading.Event()
    hangs = threading.Event()

    def look(anew: bool) -> tuple[list[Domain], tuple[Error, ...]]:
        if watch_of:
            hangs.set()
            goes_on.wait()
        return found("a")

    watch_of: list[Watch] = []
    watch = watching(look, tmp_path)
    assert watch.wait(timeout=10)
    watch_of.append(watch)
    assert hangs.wait(10)
    start = time.monotonic()
    assert names(watch) == ["a"]
    assert not watch.wait(watch.changes, 0.05)
    watch.close()
    assert watch.closed
    assert time.monotonic() - start < 2
    goes_on.set()
    until(lambda: not watch_threads())


def test_a_look_that_hangs_is_a_problem_until_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmiostat.watching.looking._LONG", 0.2)
    goes_on = threading.Event()

    def look(anew: bool) -> tuple[list[Domain], tuple[Error, ...]]:
        goes_on.wait()
        return found("a")

    with watching(look, tmp_path) as watch:
        assert watch.problems == ()
        until(lambda: watch.problems)
        assert "a look has been under way for 0 s" in " ".join(map(str, watch.problems))
        assert not watch.wait(timeout=0)
        goes_on.set()
        assert watch.wait(timeout=10)
        until(lambda: watch.problems == ())


def test_a_first_look_that_hangs_gives_a_poller_without_rows(
    tree: LibvirtTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They come when it ends."""
    monkeypatch.setattr("vmiostat.watching.looking._LONG", 0.1)
    monkeypatch.setattr("vmiostat.following_poller.FIRST_LOOK", 0.3)
    goes_on = threading.Event()
    find = discovery.domains

    def hangs(*arguments: Any, **options: Any) -> Any:
        goes_on.wait()
        return find(*arguments, **options)

    monkeypatch.setattr(discovery, "domains", hangs)
    start = time.monotonic()
    with Host(tree.root).poller(follow=True, every=NEVER) as poller:
        assert 0.3 <= time.monotonic() - start < 5
        assert (len(poller.poll().interface), poller.domains) == (0, ())
        assert "under way" in str(poller.watch.problems[0])
        goes_on.set()
        until(lambda: poller.interface_rows)
        assert poller.poll().interface["web1", "vnet0"].state == "ok"
        until(lambda: poller.watch.problems == ())


@pytest.mark.parametrize("breaks", ["opening", "wait", "renew"])
def test_a_watch_that_ends_by_a_mistake_says_so_and_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, breaks: str
) -> None:
    def broken(*arguments: object) -> Signals:
        raise RuntimeError("broken")

    if breaks != "opening":
        monkeypatch.setattr(Signals, breaks, broken)
    signals = broken if breaks == "opening" else partial(Signals, Roots(tmp_path), None)
    with Watch(lambda anew: found("a"), signals, 0.05) as watch:
        seen = 0 if breaks == "opening" else 1
        assert watch.wait(timeout=10) == bool(seen)
        assert not watch.wait(seen, timeout=10)
        assert watch.closed
        assert len(list(watch)) == 0
        (problem,) = watch.problems
        assert "no longer followed" in str(problem)
        assert "broken" in str(problem)
        until(lambda: not watch_threads())


def test_a_watch_without_a_thread_is_an_error_and_leaves_nothing(
    tree: LibvirtTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    host = Host(tree.root)
    host.domains()
    before = descriptors()
    with monkeypatch.context() as broken:
        broken.setattr(threading.Thread, "start", refused)
        with pytest.raises(Error, match="can't start new thread"):
            host.watch()
    assert descriptors() == before


def test_a_watch_that_cannot_be_woken_ends_all_the_same(tree: LibvirtTree, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object) -> int:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as broken:
        broken.setattr(os, "eventfd", refused)
        watch = Host(tree.root).watch(NEVER)
    assert watch.wait(timeout=10)
    tree.start("db1")
    until(lambda: names(watch) == ["db1", "web1"])
    watch.close()
    assert not watch_threads()


@pytest.mark.parametrize("ends", ["", "raise KeyboardInterrupt"])
def test_a_look_that_hangs_does_not_hold_the_program_s_end_up(tmp_path: Path, ends: str) -> None:
    """Nor does a watch that nobody closed."""
    code = (
        "import time; from vmiostat import Host, Roots; from vmiostat.watch import Watch\n"
        "from vmiostat.watching.signals import Signals\n"
        "idle = Host('.').watch(); idle.wait()\n"
        "hangs = Watch(lambda anew: time.sleep(60), lambda: Signals(Roots('.'), None)); time.sleep(0.1)\n"
        f"print(hangs.wait(0, 0.1), flush=True); {ends}\n"
    )
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, timeout=60, check=False)
    assert time.monotonic() - start < 30
    assert done.stdout == b"False\n"
    assert done.returncode == (-signal.SIGINT if ends else 0), done.stderr


def test_closed_or_forgotten_it_leaves_nothing(tree: LibvirtTree) -> None:
    host = Host(tree.root)
    with host.watch() as watch:
        watch.wait()
    gc.collect()
    before = descriptors()
    for _ in range(20):
        with host.watch() as watch:
            assert watch.wait(timeout=10)
        watch.close()  # once more is no harm
        assert list(watch) == []
        assert not watch.wait(watch.changes)
    forgotten = host.watch()
    assert forgotten.wait(timeout=10)
    del forgotten, watch
    gc.collect()
    until(lambda: not watch_threads())
    assert descriptors() == before


@pytest.mark.parametrize("every", [0, -1, float("nan"), float("inf")])
def test_every_is_a_time(tree: LibvirtTree, every: float) -> None:
    with pytest.raises(ValueError, match="every"):
        Host(tree.root).watch(every)


def test_only_the_first_looks_after_a_signal_use_what_earlier_ones_saw(tmp_path: Path) -> None:
    tree = LibvirtTree(tmp_path / "machine")
    tree.interfaces({})
    tree.start("web1")
    looks: list[bool] = []

    def look(anew: bool) -> tuple[list[Domain], tuple[Error, ...]]:
        looks.append(anew)
        return found("a")

    with watching(look, tree.root, NEVER) as watch:
        assert watch.wait(timeout=10)
        tree.start("web1")
        until(lambda: len(looks) == 5)
    # The first of all; at once, after 0.1, 0.5 and 2 seconds.
    assert looks == [True, False, False, True, True]


@pytest.mark.parametrize(("writes", "told"), [([2, 3], "look 4"), ([2, 3, 4, 5, 6, 7, 8], "look 5")])
def test_a_look_during_which_a_definition_was_written_counts_for_nothing(
    tmp_path: Path, writes: list[int], told: str
) -> None:
    """Unless that goes on and on."""
    tree = LibvirtTree(tmp_path / "machine")
    tree.interfaces({})
    tree.start("web1")
    looks = 0

    def look(anew: bool) -> tuple[list[Domain], tuple[Error, ...]]:
        nonlocal looks
        looks += 1
        if looks in writes:
            tree.start("web1")
        return found(f"look {looks}")

    with watching(look, tree.root, NEVER) as watch:
        assert watch.wait(timeout=10)
        assert names(watch) == ["look 1"]
        tree.start("web1")
        assert watch.wait(1, timeout=10)
        assert next(iter(watch))[0].name == told


def test_a_look_that_counted_for_nothing_is_made_again(tmp_path: Path) -> None:
    """Whatever was written: here it is no definition."""
    tree = LibvirtTree(tmp_path / "machine")
    tree.interfaces({})
    tree.start("web1")
    looks = 0

    def look(anew: bool) -> tuple[list[Domain], tuple[Error, ...]]:
        nonlocal looks
        looks += 1
        if looks == 1:
            (tree.folder / "web1.pid").write_text("1")
        return found(f"look {looks}")

    with watching(look, tree.root, NEVER) as watch:
        assert watch.wait(timeout=10)
        assert names(watch) == ["look 2"]


def test_a_storm_of_changes_does_not_put_off_a_look_at_everything(tmp_path: Path) -> None:
    tree = LibvirtTree(tmp_path / "machine")
    tree.interfaces({})
    tree.start("web1")
    looks: list[bool] = []

    def look(anew: bool) -> tuple[list[Domain], tuple[Error, ...]]:
        looks.append(anew)
        return found("a")

    with watching(look, tree.root, NEVER) as watch:
        assert watch.wait(timeout=10)
        start = time.monotonic()
        while looks.count(True) < 3:
            tree.start("web1")
            time.sleep(0.001)
            assert time.monotonic() < start + 10
    assert time.monotonic() > start + 2 * 0.5
    assert looks.count(False) > 10


def test_a_storm_of_changes_costs_half_of_a_processor_in_the_end(tmp_path: Path) -> None:
    tree = LibvirtTree(tmp_path / "machine")
    tree.interfaces({})
    tree.start("web1")
    looks = 0

    def look(anew: bool) -> tuple[list[Domain], tuple[Error, ...]]:
        nonlocal looks
        looks += 1
        worked = time.thread_time()
        while time.thread_time() - worked < 0.2:
            pass
        return found("a")

    start = time.monotonic()
    with watching(look, tree.root, NEVER) as watch:
        while time.monotonic() < start + 3:
            tree.start("web1")
            time.sleep(0.001)
        assert watch.changes <= 1
    # Without a rest it would be four fifths.
    assert 2 <= looks <= (0.2 + (time.monotonic() - start) / 2 + 0.2) / 0.2
