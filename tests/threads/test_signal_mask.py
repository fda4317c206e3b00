"""The threads of vmiostat block signals: one that takes a signal would leave the main thread asleep."""

import re
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

import vmiostat
from testkit.fakes import qemu as fake_qemu
from testkit.fakes.libvirt import Libvirt
from testkit.trees.libvirt import LibvirtTree
from vmiostat import Host, Poller, Roots, VirtualFunction
from vmiostat._core import LatestStats
from vmiostat.qemu_stats.qmp_client import QmpClient
from vmiostat.qemu_stats.query_thread import QueryThread
from vmiostat.threads.detached_calls import DetachedCalls

SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGHUP, signal.SIGUSR1}


def unblocked_in(thread: str) -> set[int]:
    """Which of these signals the threads of that name do not block."""
    return unblocked_in_tasks([one.native_id for one in threading.enumerate() if one.name == thread])


def unblocked_in_tasks(tasks: Sequence[int | None]) -> set[int]:
    assert tasks
    blocked = ~0
    for task in tasks:
        lines = Path(f"/proc/self/task/{task}/status").read_text().splitlines()
        blocked &= next(int(line.split()[1], 16) for line in lines if line.startswith("SigBlk:"))
    return {number for number in SIGNALS if not blocked >> (number - 1) & 1}


def test_the_thread_of_a_watch(tmp_path: Path) -> None:
    tree = LibvirtTree(tmp_path / "machine")
    tree.interfaces({})
    with Host(tree.root).watch() as watch:
        assert watch.wait(timeout=10)
        assert unblocked_in("vmiostat-scan") == set()
    assert unblocked_in("MainThread") == SIGNALS


def test_the_thread_that_queries_a_card() -> None:
    with Poller(Roots(), [], [("web1", "vf0", VirtualFunction("lo", 0), False)]):
        tasks = Path("/proc/self/task").iterdir()
        cards = [int(task.name) for task in tasks if (task / "comm").read_text() == "vmiostat-card\n"]
        assert unblocked_in_tasks(cards) == set()


def test_the_query_thread(tmp_path: Path) -> None:
    with fake_qemu.running(tmp_path / "qmp"):
        thread = QueryThread("on demand", 5.0)
        thread.set_clients([QmpClient("/qmp", Roots(tmp_path), {LatestStats("QMP /qmp"): ("virtio-disk0",)})])
        assert thread.query(5.0)
        assert unblocked_in("vmiostat-query") == set()
        thread.close()


def test_a_detached_call() -> None:
    blocked = DetachedCalls(1).run(
        "call", lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ()), time.monotonic() + 10, lambda: None
    )
    assert blocked >= SIGNALS
    assert signal.SIGSEGV not in blocked


def test_the_event_loop_of_libvirt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "libvirt", Libvirt())
    for folder in ("proc", "sys", "run"):
        (tmp_path / folder).mkdir()
    with Host(tmp_path, libvirt="qemu:///system").watch() as watch:
        assert watch.wait(timeout=10)
        assert unblocked_in("vmiostat-libvirt-events") == set()


def test_no_thread_is_started_otherwise() -> None:
    """One that blocks signals by itself has a moment before, in which it takes them."""
    starts = re.compile(r"(?:[Tt]hread|Timer|alarm)\b.*\.start\(\)")
    package = Path(vmiostat.__file__).parent
    assert [path.name for path in package.rglob("*.py") if starts.search(path.read_text())] == ["signal_mask.py"]
