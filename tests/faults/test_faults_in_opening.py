"""Opening fails, at each call and with each error that it can have: that costs its own rows, says so, and heals."""

import errno
import os
import time
from pathlib import Path

import pytest

from testkit.real.machine import Machine
from testkit.real.process import descriptors
from tests.faults.faulty_process import ChildFailed, Fault, FaultyProcess, Row
from tests.faults.no_descriptor_left import no_descriptor_left
from vmiostat import Host, Poller, Roots, SourceError
from vmiostat.counter_sources import BlockDevice

ERRORS = ["EMFILE", "ENFILE", "ENOMEM", "EACCES"]
CALLS = ["openat2", "fstat", "socket", "bind", "clone3"]
"""What opens a file or a socket, and starts the thread that asks netlink."""


def check(expected: list[Row], rows: list[Row], name: str) -> int:
    """Each row has the right numbers or says which error it is that keeps it from them. Gives how many have none."""
    for right, row in zip(expected, rows, strict=True):
        if row.state == "ok":
            # A disk's sizes have a file of their own, and where it cannot be opened they are unknown.
            sizes = 3 if row.kind == "block" else 0
            counts = len(row.counters) - sizes
            assert row.counters[:counts] == right.counters[:counts]
            assert row.counters[counts:] in (right.counters[counts:], (-1,) * sizes)
            continue
        assert row.state in ("unreadable", *["denied"] * (name == "EACCES"))
        assert row.problem is not None
        assert os.strerror(getattr(errno, name)) in row.problem
        assert set(row.counters) == {-1}
    return sum(row.state != "ok" for row in rows)


@pytest.mark.parametrize("source", ["proc", "sysfs", "netlink", "auto"])
def test_whatever_fails_the_rest_is_opened(machine: Machine, many: Path, source: str) -> None:
    with FaultyProcess() as process:
        process.open(many if source == "auto" else machine.xml, source, sys=machine.sys)
        expected, held = process.poll(), process.call("descriptors")
        assert {row.state for row in expected} == {"ok"}
        cost = dict.fromkeys(CALLS, 0)
        for call in CALLS:
            for name in ERRORS:
                # Each of the first calls once, and all of them.
                for nth in (*"12345678"[ERRORS.index(name) :: len(ERRORS)], "1+"):
                    with process.having(Fault(call, name, nth)):
                        process.call("open", source)
                    cost[call] += check(expected, process.poll(), name)
                    process.call("reopen")
                    after = process.poll()
                    assert [row.counters for row in after] == [row.counters for row in expected], (call, name, nth)
        # There is always another way than a socket.
        assert cost["openat2"] > 0
        assert cost["fstat"] > 0
        assert cost["socket"] == cost["bind"] == cost["clone3"] == 0
        process.call("open", source)
        assert process.call("descriptors") == held


def test_a_process_that_has_no_descriptor_left(machine: Machine) -> None:
    """Not only by the book: the limit is really reached."""
    host = Host(xml=machine.xml, sys=machine.sys)
    domains, held = host.domains(), descriptors()
    with host.poller(domains) as poller:
        expected = poller.poll()
    for room in range(8):
        with no_descriptor_left(room):
            poller = host.poller(domains)
            during = [poller.poll() for _ in range(3)][-1]
            problem = poller.problem("block", 1)
        rows = [*during.block, *during.interface]
        for right, row in zip([*expected.block, *expected.interface], rows, strict=True):
            assert row.state in ("ok", "unreadable")
            assert row.state == "unreadable" or tuple(row)[:8] == tuple(right)[:8]
        if room == 0:
            assert {row.state for row in rows} == {"unreadable"}
            assert isinstance(problem, SourceError)
            assert problem.errno == errno.EMFILE
        poller.reopen()
        assert {row.state for row in [*poller.poll().block, *poller.poll().interface]} == {"ok"}
        poller.close()
    assert descriptors() == held


def test_disks_that_cannot_be_told_apart_are_no_other_ones(machine: Machine, tmp_path: Path) -> None:
    """Some disk has changed, and there is no descriptor left to ask each for its number in the kernel's count."""
    folder, numbers = tmp_path / "made", " ".join(str(number) for number in range(1, 18))
    (folder / "proc").mkdir(parents=True)
    (folder / "proc/diskstats").write_text("".join(f"8 {minor} sd {numbers}\n" for minor in range(3)))
    for minor in range(3):
        (folder / f"sys/dev/block/8:{minor}").mkdir(parents=True)
    (folder / "sys/dev/block/diskseq").write_text("1\n")  # of their disk: any disk's event may be about partitions
    rows = [("vm", f"vd{minor}", BlockDevice(8, minor)) for minor in range(3)]
    event = os.open(f"/sys/block/{machine.loops[0].name}/uevent", os.O_WRONLY)
    with Poller(Roots(proc=folder / "proc", sys=folder / "sys"), rows, []) as poller:
        assert poller.explain()[0].source.endswith("/diskstats")
        before = poller.poll().block
        with no_descriptor_left():
            os.write(event, b"change")
            time.sleep(0.05)
            during, problem = poller.poll().block, poller.problem("block", 2)
            # It is still not known.
            again = poller.poll().block
        after = poller.poll().block
    os.close(event)
    assert {row.state for row in (*during, *again)} == {"unreadable"}
    assert isinstance(problem, SourceError)
    assert problem.errno == errno.EMFILE
    assert [tuple(row.v1) for row in after] == [tuple(row.v1) for row in before]
    assert {(row.state, row.generation) for row in (*before, *after)} == {("ok", 0)}


def test_a_host_that_cannot_be_opened_is_an_error_and_not_the_end(machine: Machine) -> None:
    with FaultyProcess() as process:
        process.open(machine.xml, "proc", sys=machine.sys)
        for name in ERRORS:
            for call in ("openat2", "openat"):
                for nth in ("1", "2", "3", "1+"):
                    try:
                        with process.having(Fault(call, name, nth)):
                            count, problems = process.discover(machine.xml, sys=machine.sys)
                    except ChildFailed as error:
                        count, problems = 0, [str(error)]
                    # Two domains; or fewer, and then the reason is told.
                    assert count == 2 or os.strerror(getattr(errno, name)) in " ".join(problems), (call, nth, problems)
        assert process.discover(machine.xml, sys=machine.sys) == (2, [])
