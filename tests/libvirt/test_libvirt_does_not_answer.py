"""A daemon that hangs, refuses, ends or comes back, and what is kept meanwhile."""

import gc
import threading
import time
from pathlib import Path

import pytest

from testkit.fakes.libvirt import Daemon, Libvirt, LibvirtError, uuid
from testkit.fakes.libvirt_connections import URI, names, problems, run, woken
from testkit.fork import in_a_fork
from testkit.targets import targets
from testkit.until import until
from vmiostat import Roots
from vmiostat.discovery.libvirt import link as libvirt_link
from vmiostat.discovery.libvirt.connection import LibvirtConnection


def test_a_domain_that_does_not_answer_affects_only_itself_for_one_deadline(daemon: Daemon, roots: Roots) -> None:
    daemon.stuck.add(uuid(1))
    connection = LibvirtConnection(URI, deadline=0.3)
    start = time.monotonic()
    found = connection.domains(roots)
    assert 0.3 <= time.monotonic() - start < 20
    assert names(found) == ["db1"]
    assert problems(found) == [
        f"{URI}/web1: libvirt has not returned its XML for 0 s; until it does, the domain is left out"
    ]
    connection._deadline = 100.0
    start = time.monotonic()
    assert names(connection.domains(roots)) == ["db1"]
    assert time.monotonic() - start < 50, "a scan waited for it again"
    assert daemon.calls[uuid(1)] == 1, "it was called again while the first call is in flight"


def test_what_was_known_is_used_while_there_is_no_answer(daemon: Daemon, roots: Roots) -> None:
    connection = LibvirtConnection(URI, deadline=0.2)
    connection.domains(roots)
    daemon.stuck.add(uuid(2))
    found = connection.domains(roots)
    assert names(found) == ["web1", "db1"]
    assert problems(found) == [f"{URI}/db1: libvirt has not returned its XML for 0 s; that of 0 s ago is used"]
    time.sleep(1)
    (problem,) = problems(connection.domains(roots))
    assert "for 1 s" in problem


def test_a_late_answer_wakes_listeners_and_is_used(daemon: Daemon, roots: Roots) -> None:
    daemon.stuck.add(uuid(1))
    connection = LibvirtConnection(URI, deadline=0.2)
    listener = connection.changes()
    connection.domains(roots)
    assert not woken(listener, 0)
    daemon.answer(uuid(1))
    assert woken(listener)
    found = connection.domains(roots)
    assert (names(found), problems(found)) == (["web1", "db1"], [])
    assert daemon.calls[uuid(1)] == 1


def test_at_most_four_calls_are_in_flight(daemon: Daemon, roots: Roots) -> None:
    for number in range(1, 11):
        daemon.start(number, f"vm{number}")
        daemon.stuck.add(uuid(number))
    before = threading.active_count()
    connection = LibvirtConnection(URI, deadline=0.2)
    for _ in range(5):
        connection.domains(roots)
    found = connection.domains(roots)
    assert sum(daemon.calls[uuid(number)] for number in range(1, 11)) == 4
    assert threading.active_count() - before <= 4 + 1  # and the event loop
    # By then no thread is left to list the domains.
    assert len(problems(found)) == 1
    assert "has not answered other calls" in problems(found)[0]
    daemon.answer(*daemon.stuck)
    until(lambda: len(connection.domains(roots).domains) == 10)
    assert problems(connection.domains(roots)) == []


@pytest.mark.parametrize(("what", "consequence"), [("open", "not open"), ("list", "which domains run is not known")])
def test_a_daemon_that_does_not_answer_at_all(daemon: Daemon, roots: Roots, what: str, consequence: str) -> None:
    daemon.stuck.add(what)
    connection = LibvirtConnection(URI, deadline=0.2)
    for _ in range(3):
        found = connection.domains(roots)
        assert names(found) == []
        assert consequence in problems(found)[0]
        assert problems(found)[0].startswith(f"{URI}: libvirt has not answered for ")
    assert daemon.calls[what] == 1
    daemon.answer(what)
    until(lambda: names(connection.domains(roots)) == ["web1", "db1"])


def test_a_restarted_daemon_is_used_again(daemon: Daemon, roots: Roots) -> None:
    connection = LibvirtConnection(URI)
    listener = connection.changes()
    connection.domains(roots)
    daemon.die()
    assert woken(listener), "no listener was woken when the connection was closed"
    found = connection.domains(roots)
    assert names(found) == ["web1", "db1"], "what was known was dropped"
    assert "Connection refused; is libvirtd (or virtqemud) running" in problems(found)[0]
    assert problems(found)[0].endswith("2 domains are shown as of 0 s ago")
    daemon.start(2, "db1", "vnet1")  # without an event
    daemon.refusal = None
    # Nothing else causes a scan: the listener is woken when the next attempt is due.
    for _ in range(20):
        assert woken(listener)
        found = connection.domains(roots)
        if not found.problems:
            break
    assert [targets(domain.interfaces) for domain in found.domains] == [["vnet0"], ["vnet1"]]
    daemon.send("VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED", 2)
    assert woken(listener), "events were not registered again"


def test_a_connection_that_was_closed_between_scans(daemon: Daemon, roots: Roots) -> None:
    """Even without an event loop, the next scan connects again."""
    connection = LibvirtConnection(URI, events=False)
    connection.domains(roots)
    daemon.die()
    daemon.refusal = None
    found = connection.domains(roots)
    assert (names(found), problems(found)) == (["web1", "db1"], [])


def test_attempts_to_connect_grow_rare(daemon: Daemon, roots: Roots) -> None:
    daemon.refusal = LibvirtError("no", 1)
    connection = LibvirtConnection(URI)
    start = time.monotonic()
    while time.monotonic() - start < 1:
        assert "no" in problems(connection.domains(roots))[0]
        time.sleep(0.005)
    # At 0, 0.1, 0.3 and 0.7 s.
    assert 3 <= daemon.calls["open"] <= 4


def test_a_daemon_that_closes_each_connection_at_once(daemon: Daemon, roots: Roots) -> None:
    connection = LibvirtConnection(URI, deadline=0.5)
    daemon.stuck.add("list")
    start = time.monotonic()
    while time.monotonic() - start < 1:
        timer = threading.Timer(0.02, daemon.die)
        timer.start()
        assert problems(connection.domains(roots))
        timer.join()
        daemon.refusal = None
    assert daemon.calls["open"] <= 5


def test_a_call_without_an_answer_ends_with_its_connection(daemon: Daemon, roots: Roots) -> None:
    daemon.stuck.update([uuid(1), uuid(2)])
    connection = LibvirtConnection(URI, deadline=0.2)
    connection.domains(roots)
    daemon.stuck.clear()
    daemon.die()
    daemon.refusal = None
    until(lambda: names(connection.domains(roots)) == ["web1", "db1"])


def test_a_domain_whose_process_ended_while_the_daemon_was_down(daemon: Daemon, roots: Roots, tmp_path: Path) -> None:
    run(tmp_path, 4711, f"qemu -uuid {uuid(1)}")
    (tmp_path / "run/libvirt/qemu").mkdir(parents=True)
    (tmp_path / "run/libvirt/qemu/web1.pid").write_text("4711\n")
    connection = LibvirtConnection(URI)
    connection.domains(roots)
    daemon.die()
    assert names(connection.domains(roots)) == ["web1", "db1"]
    (tmp_path / "proc/4711/stat").unlink()
    assert names(connection.domains(roots)) == ["db1"]


def test_closing_waits_for_nothing(daemon: Daemon, roots: Roots) -> None:
    daemon.stuck.update(["close", uuid(1)])
    connection = LibvirtConnection(URI, deadline=0.1)
    connection.domains(roots)
    connection.close()
    del connection
    gc.collect()
    until(lambda: daemon.calls["close"])  # by a thread that waits for the answer
    daemon.answer("close", uuid(1))


def refused(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_a_process_that_may_have_no_more_threads_closes_connections_later(
    libvirt: Libvirt, daemon: Daemon, roots: Roots, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost, ended = LibvirtConnection(URI), LibvirtConnection(URI)
    listener = lost.changes()
    for connection in (lost, ended):
        connection.domains(roots)
    daemon.die()
    assert woken(listener)
    daemon.refusal = None
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        found = lost.domains(roots)
        assert (names(found), len(problems(found))) == (["web1", "db1"], 1)
        ended.close()
    assert libvirt.kept == 2

    def fork() -> None:
        assert not libvirt_link._to_close, "they are the parent's"

    in_a_fork(fork)
    until(lambda: problems(lost.domains(roots)) == [])
    lost.close()
    until(lambda: not libvirt.kept)


def test_a_process_that_may_have_no_more_threads_tries_again_at_later_scans(
    daemon: Daemon, roots: Roots, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = LibvirtConnection(URI)
    listener = connection.changes()
    daemon.refusal = LibvirtError("no", 1)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Timer, "start", refused)
        assert "cannot connect: no" in problems(connection.domains(roots))[0]
    until(lambda: "no" in problems(connection.domains(roots))[0] and woken(listener, 0.1))
