"""Signals are taken by the threads of whoever uses vmiostat: one that another thread takes does not end a sleep."""

import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from testkit.fakes import qemu as fake_qemu
from testkit.fakes.libvirt import Libvirt
from testkit.trees.libvirt import LibvirtTree
from vmiostat import Host, Poller, Roots, VirtualFunction
from vmiostat._core import LatestStats
from vmiostat.qemu_stats.in_flight_limit import InFlightLimit
from vmiostat.qemu_stats.qmp_client import QmpClient
from vmiostat.qemu_stats.query_thread import QueryThread
from vmiostat.threads.detached_calls import DetachedCalls

ASKED_FOR = {signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGHUP, signal.SIGUSR1}


def taken_by(thread: str) -> set[int]:
    """Which of these signals threads of that name take."""
    return taken_by_tasks([one.native_id for one in threading.enumerate() if one.name == thread])


def taken_by_tasks(tasks: Sequence[int | None]) -> set[int]:
    assert tasks
    blocked = ~0
    for task in tasks:
        lines = Path(f"/proc/self/task/{task}/status").read_text().splitlines()
        blocked &= next(int(line.split()[1], 16) for line in lines if line.startswith("SigBlk:"))
    return {number for number in ASKED_FOR if not blocked >> (number - 1) & 1}


def test_a_watch_takes_none(tmp_path: Path) -> None:
    tree = LibvirtTree(tmp_path / "machine")
    tree.interfaces({})
    with Host(tree.root).watch() as watch:
        assert watch.wait(timeout=10)
        assert taken_by("vmiostat-watch") == set()
    assert taken_by("MainThread") == ASKED_FOR


def test_nor_does_who_asks_a_card() -> None:
    with Poller(Roots(), [], [("web1", "vf0", VirtualFunction("lo", 0), False)]):
        tasks = Path("/proc/self/task").iterdir()
        cards = [int(task.name) for task in tasks if (task / "comm").read_text() == "vmiostat-card\n"]
        assert taken_by_tasks(cards) == set()


def test_nor_does_who_asks(tmp_path: Path) -> None:
    with fake_qemu.running(tmp_path / "qmp"):
        rounds = QueryThread("on demand", 5.0)
        rounds.set([QmpClient("/qmp", Roots(tmp_path), {LatestStats("QMP /qmp"): ("virtio-disk0",)}, InFlightLimit(8))])
        assert rounds.ask(5.0)
        assert taken_by("vmiostat-askers") == set()
        rounds.close()


def test_nor_a_call_of_libvirt_s() -> None:
    blocked = DetachedCalls(1).ask(
        "call", lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ()), time.monotonic() + 10, lambda: None
    )
    assert blocked >= ASKED_FOR
    assert signal.SIGSEGV not in blocked


def test_nor_libvirt_s_event_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "libvirt", Libvirt())
    for folder in ("proc", "sys", "run"):
        (tmp_path / folder).mkdir()
    with Host(tmp_path, libvirt="qemu:///system").watch() as watch:
        assert watch.wait(timeout=10)
        assert taken_by("vmiostat-libvirt-events") == set()
