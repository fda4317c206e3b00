"""Looks that fail or hang: they end no watch, and hold nobody up."""

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from testkit.real.process import descriptors
from testkit.trees.libvirt import LibvirtTree
from testkit.until import until
from testkit.watches import NEVER, found, names, watch_threads, watching
from vmiostat import Domain, Error, Host, Roots
from vmiostat.discovery.scan import Discovery
from vmiostat.watching.event_sources import EventSources
from vmiostat.watching.watch import Watch


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
    monkeypatch.setattr("vmiostat.watching.scanner._LONG", 0.2)
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
    monkeypatch.setattr("vmiostat.watching.scanner._LONG", 0.1)
    monkeypatch.setattr("vmiostat.polling.following_poller.FIRST_LOOK", 0.3)
    goes_on = threading.Event()
    find = Discovery.scan

    def hangs(*arguments: Any, **options: Any) -> Any:
        goes_on.wait()
        return find(*arguments, **options)

    monkeypatch.setattr(Discovery, "scan", hangs)
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
    def broken(*arguments: object) -> EventSources:
        raise RuntimeError("broken")

    if breaks != "opening":
        monkeypatch.setattr(EventSources, breaks, broken)
    signals = broken if breaks == "opening" else partial(EventSources, Roots(tmp_path), None)
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
        "import time; from vmiostat import Host, Roots; from vmiostat.watching.watch import Watch\n"
        "from vmiostat.watching.event_sources import EventSources\n"
        "idle = Host('.').watch(); idle.wait()\n"
        "hangs = Watch(lambda anew: time.sleep(60), lambda: EventSources(Roots('.'), None)); time.sleep(0.1)\n"
        f"print(hangs.wait(0, 0.1), flush=True); {ends}\n"
    )
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, timeout=60, check=False)
    assert time.monotonic() - start < 30
    assert done.stdout == b"False\n"
    assert done.returncode == (-signal.SIGINT if ends else 0), done.stderr
