"""Scans that fail or hang: they neither end the watch nor delay its users."""

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


class Panic(BaseException):
    """As PyO3's PanicException, which a panic of the core becomes, it is no Exception."""


ERRORS = [RuntimeError("broken"), OSError(5, "Input/output error"), Error("broken"), Panic("broken")]


@pytest.mark.parametrize("error", ERRORS)
def test_a_scan_that_fails_is_a_problem_until_the_next(tmp_path: Path, error: BaseException) -> None:
    fails = iter([False, True, True])

    def scan(full: bool) -> tuple[list[Domain], tuple[Error, ...]]:
        if next(fails, False):
            raise error
        return found("b" if watch_of else "a")

    watch_of: list[Watch] = []
    with watching(scan, tmp_path, interval=0.2) as watch:
        until(lambda: watch.problems)
        assert names(watch) == ["a"]
        assert str(error.args[-1]) in str(watch.problems[0])
        watch_of.append(watch)
        until(lambda: names(watch) == ["b"])
        assert watch.problems == ()


def test_a_first_scan_that_fails_is_a_change(tmp_path: Path) -> None:
    def scan(full: bool) -> tuple[list[Domain], tuple[Error, ...]]:
        raise RuntimeError("broken")

    with watching(scan, tmp_path) as watch:
        assert watch.wait(timeout=10)
        assert (watch.domains, len(watch.problems)) == ((), 1)


def test_a_scan_that_hangs_delays_no_user(tmp_path: Path) -> None:
    go_on = threading.Event()
    hangs = threading.Event()

    def scan(full: bool) -> tuple[list[Domain], tuple[Error, ...]]:
        if watch_of:
            hangs.set()
            go_on.wait()
        return found("a")

    watch_of: list[Watch] = []
    watch = watching(scan, tmp_path)
    assert watch.wait(timeout=10)
    watch_of.append(watch)
    assert hangs.wait(10)
    assert names(watch) == ["a"]
    assert not watch.wait(watch.changes, 0.05)
    watch.close()
    assert watch.closed
    assert watch_threads(), "none of this waited for the scan"
    go_on.set()
    until(lambda: not watch_threads())


def test_a_scan_that_hangs_is_a_problem_until_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmiostat.watching.scanner._SLOW", 0.2)
    go_on = threading.Event()

    def scan(full: bool) -> tuple[list[Domain], tuple[Error, ...]]:
        go_on.wait()
        return found("a")

    with watching(scan, tmp_path) as watch:
        assert watch.problems == ()
        until(lambda: watch.problems)
        assert "a scan has been in progress for 0 s" in " ".join(map(str, watch.problems))
        assert not watch.wait(timeout=0)
        go_on.set()
        assert watch.wait(timeout=10)
        until(lambda: watch.problems == ())


def test_a_first_scan_that_hangs_gives_a_poller_without_rows(
    tree: LibvirtTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it ends."""
    monkeypatch.setattr("vmiostat.watching.scanner._SLOW", 0.1)
    monkeypatch.setattr("vmiostat.polling.followed_plan.FIRST_SCAN", 0.3)
    go_on = threading.Event()
    find = Discovery.scan

    def hangs(*arguments: Any, **options: Any) -> Any:
        go_on.wait()
        return find(*arguments, **options)

    monkeypatch.setattr(Discovery, "scan", hangs)
    start = time.monotonic()
    with Host(tree.root).follow(interval=NEVER) as poller:
        assert 0.3 <= time.monotonic() - start < 20
        assert (len(poller.poll().interface), poller.domains) == (0, ())
        assert "in progress" in str(poller.problems[0])
        go_on.set()
        until(lambda: poller.interface_rows)
        assert poller.poll().interface["web1", "vnet0"].state == "ok"
        until(lambda: poller.problems == ())


@pytest.mark.parametrize("error", [RuntimeError("broken"), Panic("broken")])
@pytest.mark.parametrize("breaks", ["opening", "wait", "renew"])
def test_a_watch_that_ends_after_an_internal_error_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, breaks: str, error: BaseException
) -> None:
    def broken(*arguments: object) -> EventSources:
        raise error

    if breaks != "opening":
        monkeypatch.setattr(EventSources, breaks, broken)
    event_sources = broken if breaks == "opening" else partial(EventSources, Roots(tmp_path), None)
    with Watch(lambda full: found("a"), event_sources, 0.05) as watch:
        seen = 0 if breaks == "opening" else 1
        assert watch.wait(timeout=10) == bool(seen)
        assert not watch.wait(seen, timeout=10)
        assert watch.closed
        assert len(list(watch)) == 0
        (problem,) = watch.problems
        assert "no longer followed" in str(problem)
        assert "broken" in str(problem)
        until(lambda: not watch_threads())


def test_a_watch_whose_thread_cannot_start_is_an_error_and_leaves_nothing_behind(
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


def test_a_watch_that_cannot_be_woken_ends_too(tree: LibvirtTree, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_a_scan_that_hangs_does_not_keep_the_program_from_ending(tmp_path: Path, ends: str) -> None:
    """Nor does a watch that was not closed."""
    code = (
        "import time; from vmiostat import Host, Roots; from vmiostat.watching.watch import Watch\n"
        "from vmiostat.watching.event_sources import EventSources\n"
        "idle = Host('.').watch(); idle.wait()\n"
        "hangs = Watch(lambda full: time.sleep(60), lambda: EventSources(Roots('.'), None)); time.sleep(0.1)\n"
        f"print(hangs.wait(0, 0.1), flush=True); {ends}\n"
    )
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, timeout=60, check=False)
    assert time.monotonic() - start < 30
    assert done.stdout == b"False\n"
    assert done.returncode == (-signal.SIGINT if ends else 0), done.stderr
