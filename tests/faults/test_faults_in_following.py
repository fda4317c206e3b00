"""What tells of changes cannot be had: that costs nothing but slowness, is said, and heals."""

import errno
import gc
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from testkit.real.domain import write_domain
from testkit.real.machine import Machine
from testkit.real.process import descriptors
from testkit.until import until
from tests.faults.faulty_process import ChildFailed, Fault, FaultyProcess
from tests.faults.no_descriptor_left import no_descriptor_left
from vmiostat import Host
from vmiostat.watching import event_sources

DEAF = [
    ("inotify_init1", "EMFILE", 1),
    ("inotify_init1", "ENOMEM", 1),
    ("inotify_add_watch", "ENOSPC", 1),
    ("inotify_add_watch", "ENOMEM", 1),
    ("socket", "EMFILE", 2),
    ("socket", "EAFNOSUPPORT", 2),
    ("bind", "EPERM", 2),
    ("bind", "ENOBUFS", 2),
    ("?poll,ppoll", "ENOMEM", 1),
]
"""A call, an error of it, and how many ways to hear of a change that costs."""


@pytest.mark.parametrize(("call", "name", "count"), DEAF)
def test_whatever_cannot_tell_of_changes_is_said_and_they_are_seen(
    machine: Machine, tmp_path: Path, call: str, name: str, count: int
) -> None:
    reason = os.strerror(getattr(errno, name))

    def unheard() -> list[str]:
        return [problem for problem in process.call("problems") if "no event announces when" in problem]

    with FaultyProcess() as process:
        process.call("follow", str(machine.xml), {"sys": str(machine.sys)})
        assert process.call("problems") == []
        right, held = process.poll(), process.call("descriptors")
        with process.having(Fault(call, name, "1+")):
            process.call("follow", str(machine.xml), {"sys": str(machine.sys)})
            until(lambda: len(unheard()) == count)
            assert all(reason in problem for problem in unheard())
            during = process.poll()
            if (call, name) in (("socket", "EMFILE"), ("bind", "ENOBUFS")):
                # Nothing can tell which interfaces these are, until there is a descriptor again.
                interfaces = [row for row in during if row.kind == "interface"]
                assert {row.state for row in interfaces} == {"unreadable"}
                assert all(reason in str(row.problem) for row in interfaces)
                assert [row for row in during if row.kind == "block"] == [row for row in right if row.kind == "block"]
            else:
                assert during == right
            new = write_domain(machine.xml, "late", bridge=["tap0"])
            until(lambda: len(process.poll()) == len(right) + 1)
        until(lambda: process.call("problems") == [])
        new.unlink()
        until(lambda: len(process.poll()) == len(right))
        after = process.poll()
        if call == "socket":  # without one nobody knows an interface's number, by which it would be the same one
            after = [replace(row, generation=0) for row in after]
        assert after == right
        assert process.call("descriptors") == held


@pytest.mark.parametrize(
    ("call", "name"), [("eventfd2", "EMFILE"), ("eventfd2", "ENOMEM"), ("?poll,ppoll", "EINTR"), ("read", "EINTR")]
)
def test_some_faults_cost_nothing(machine: Machine, call: str, name: str) -> None:
    with FaultyProcess() as process:
        process.call("follow", str(machine.xml), {"sys": str(machine.sys)})
        right = process.poll()
        # A process whose every read is interrupted hears no question of ours either.
        with process.having(Fault(call, name, "1..8" if call == "read" else "1+")):
            process.call("follow", str(machine.xml), {"sys": str(machine.sys)})
            assert process.call("problems") == []
            assert process.poll() == right
            write_domain(machine.xml, "late", bridge=["tap0"])
            until(lambda: len(process.poll()) == len(right) + 1)


def test_without_a_thread_nothing_is_followed_and_nobody_waits(machine: Machine) -> None:
    with FaultyProcess() as process:
        process.call("follow", str(machine.xml), {"sys": str(machine.sys)})
        right, held = process.poll(), process.call("descriptors")
        with process.having(Fault("clone3", "EAGAIN", "1+")), pytest.raises(ChildFailed, match="no thread can start"):
            process.call("follow", str(machine.xml), {"sys": str(machine.sys)})
        process.call("follow", str(machine.xml), {"sys": str(machine.sys)})
        assert process.poll() == right
        assert process.call("descriptors") == held


@pytest.mark.parametrize("room", range(8))
def test_a_process_that_has_no_descriptor_left_follows(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """Whatever it still can open. It waits for nobody, and has everything once there are descriptors again."""
    monkeypatch.setattr(event_sources, "_RETRY", 0.1)
    host = Host(xml=machine.xml, sys=machine.sys)
    with host.follow() as poller:
        right = poller.poll()
    gc.collect()  # of earlier tests
    held = descriptors()
    with no_descriptor_left(room):
        start = time.monotonic()
        poller = host.follow(interval=0.2)
        assert time.monotonic() - start < 20
        problems = " ".join(str(problem) for problem in poller.problems)
        assert room > 3 or "Too many open files" in problems
        during = poller.poll()
        states = {row.state for row in (*during.block, *during.interface)}
        # Where the scan could not follow the path of a disk.
        reasons = [disk.reason for domain in poller.domains for disk in domain.disks if disk.counter_source is None]
        assert all("Too many open files" in reason for reason in reasons)
        assert states <= {"ok", "unreadable"}
    with poller:
        until(lambda: len(poller.poll().block) == len(right.block))
        until(lambda: {row.state for row in (*poller.poll().block, *poller.poll().interface)} == {"ok"})
        until(lambda: poller.problems == ())
        write_domain(machine.xml, "late", bridge=["tap0"])
        until(lambda: len(poller.poll().interface) == len(right.interface) + 1)
        assert poller.poll().interface["guest", "tap0"].rx_packets == right.interface["guest", "tap0"].rx_packets
    assert descriptors() == held
