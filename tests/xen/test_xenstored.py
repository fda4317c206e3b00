"""xenstored does not answer: who polls does not notice, who looks is told, and when it is back all is as before."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testkit.measured import Measured
from testkit.polls import Polls
from testkit.targets import targets
from tests.xen import dom0
from tests.xen.devices import DISKS
from vmiostat import Host
from vmiostat.discovery.xen import xenstore_socket

BOUND = 10.0
"""Seconds in which a look ends, whoever does not answer."""


@contextmanager
def stopped() -> Iterator[None]:
    """xenstored takes questions, and answers none."""
    pid = int(Path("/run/xenstored.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def names(host: Host) -> set[str]:
    return {domain.name for domain in host.domains()}


def test_polls_go_on(host: Host, measured: Measured) -> None:
    with host.follow(interval=1.0) as poller:
        with Polls(poller.poll, interval=0.05) as before:
            time.sleep(3)
        rows = [(row.state, row.generation) for row in before.seen[-1].sample.block]
        with stopped(), Polls(poller.poll, interval=0.05) as meanwhile:
            time.sleep(6)
    for poll in meanwhile.seen:
        assert [(row.state, row.generation) for row in poll.sample.block] == rows
    measured(
        f"longest poll: {before.longest() * 1e3:.1f} ms, with xenstored stopped {meanwhile.longest() * 1e3:.1f} ms"
    )
    assert meanwhile.longest_gap() < before.longest_gap() + 5


def test_who_looks_is_told_and_not_held_up(host: Host, measured: Measured) -> None:
    assert set(DISKS) <= names(host)
    assert host.problems == ()
    with stopped():
        started = time.monotonic()
        found = host.domains()
        took = time.monotonic() - started
        assert "xenstore" in str(host.problems)
        assert sum(len(domain.disks) for domain in found) >= sum(map(len, DISKS.values()))
    measured(f"a look while xenstored is stopped ends after {took:.1f} s")
    assert took < BOUND
    assert set(DISKS) <= names(host)
    assert host.problems == ()


def test_who_watches_keeps_what_is_known(host: Host) -> None:
    with host.watch(interval=1.0) as watch:
        watch.wait()
        assert set(DISKS) <= {domain.name for domain in watch.domains}
        with stopped():
            dom0.wait(lambda: "xenstore" in str(watch.problems))
            assert set(DISKS) <= {domain.name for domain in watch.domains}
        dom0.wait(lambda: watch.problems == ())
        assert set(DISKS) <= {domain.name for domain in watch.domains}


def test_the_kernel_s_device_tells_the_same_where_the_daemon_s_socket_is_not_seen(host: Host, tmp_path: Path) -> None:
    """As in a dom0 whose xenstored runs in a domain of its own; nor are libvirt's files seen."""
    by_device = Host(run=tmp_path)
    assert xenstore_socket.daemon_socket(by_device.roots) is None
    found = {domain.name: domain for domain in by_device.domains()}
    for name, domain in {domain.name: domain for domain in host.domains()}.items():
        assert (found[name].id, found[name].uuid) == (domain.id, domain.uuid)
        assert targets(found[name].disks) == targets(domain.disks)
        assert targets(found[name].interfaces) == targets(domain.interfaces)
    assert {domain.provider for domain in found.values()} == {"xenstore"}
    assert by_device.problems == ()
