"""Each system call of a poll fails, with each error that it can have: that costs its own rows, says so, and heals."""

import errno
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from testkit.real.machine import Machine
from tests.faults.faulty_process import Fault, FaultyProcess, Row

BOTH = ["EAGAIN", "ENOBUFS", "ENOMEM", "EBADF", "EINVAL", "EFAULT"]
READING = [*BOTH, "EIO", "ENODEV", "ENXIO", "ENOENT", "EACCES", "EPERM", "EOVERFLOW", "EISDIR"]
SENDING = [*BOTH, "EACCES", "EPERM", "ECONNREFUSED"]
RECEIVING = [*BOTH, "ECONNREFUSED"]
GONE = ("ENODEV", "ENXIO", "ENOENT")
"""What the kernel says of a device that is not there."""


def check(before: Sequence[Row], during: Sequence[Row], after: Sequence[Row], fault: str) -> int:
    """The machine is idle: the number that it was is the right one. Gives how many rows the fault has cost."""
    for row, now, then in zip(before, during, after, strict=True):
        assert row.state == "ok"
        if now.state == "ok":
            assert now.counters == row.counters
            assert now.problem is None
        else:
            assert set(now.counters) == {-1}
            assert now.problem is not None
            # A file of the device's own. Those of an interface that is being removed answer EINVAL for a moment.
            own = any(name in now.problem for name in ("/stat'", "/statistics'"))
            if own and (fault in GONE or (fault == "EINVAL" and "/class/net/" in now.problem)):
                assert now.state == "gone"
                assert any(os.strerror(getattr(errno, name)) in now.problem for name in (fault, "ENODEV"))
            else:
                assert now.state in ("unreadable", *["denied"] * (fault in ("EACCES", "EPERM")))
                assert os.strerror(getattr(errno, fault)) in now.problem
            assert own or "/net/dev" in now.problem or "rtnetlink" in now.problem
        assert (then.state, then.counters, then.problem) == ("ok", row.counters, None)
        # Only who was away is another one now.
        assert (then.generation == row.generation) == (now.state != "gone")
    return sum(now.state != "ok" for now in during)


class Faults:
    """Polls of one process with one fault after the other."""

    def __init__(self, process: FaultyProcess) -> None:
        self._process = process
        self._rows = process.poll()
        self.cost: Counter[int] = Counter()
        """How often a fault has cost so many rows."""

    def poll(self, *faults: Fault) -> None:
        with self._process.having(*faults):
            during = self._process.poll()
        self._process.call("reopen")
        after = self._process.poll()
        self.cost[check(self._rows, during, after, faults[-1].errno)] += 1
        self._rows = after


@pytest.mark.parametrize("source", ["proc", "sysfs"])
def test_a_file_that_cannot_be_read(machine: Machine, source: str) -> None:
    with FaultyProcess() as process:
        process.open(machine.xml, source, sys=machine.sys)
        faults = Faults(process)
        for name in READING:
            for nth in ("1", "2", "3", "20"):  # a disk's, another disk's, and then those of interfaces
                faults.poll(Fault("pread64", name, nth))
    # A disk or an interface has files of its own; /proc/net/dev tells of all five interfaces, and is read but once.
    others = {1: len(READING) * 2} if source == "sysfs" else {5: len(READING), 0: len(READING)}
    assert faults.cost == Counter({1: len(READING) * 2}) + Counter(others)


@pytest.mark.alone
def test_a_dump_that_netlink_does_not_give(machine: Machine) -> None:
    with FaultyProcess() as process:
        process.open(machine.xml, "netlink", sys=machine.sys)
        faults = Faults(process)
        for name in SENDING:
            faults.poll(Fault("sendto", name))
        for name in RECEIVING:
            faults.poll(Fault("recvfrom", name, "2"))  # after that of the disks' changes
    # An answer that there was no room for (ENOBUFS) is asked for once more.
    assert faults.cost == {5: len(SENDING) + len(RECEIVING) - 2, 0: 2}


@pytest.mark.usefixtures("many")
def test_questions_that_netlink_does_not_answer(machine: Machine) -> None:
    """For few interfaces among many there is a question each."""
    with FaultyProcess() as process:
        process.open(machine.xml, "netlink", sys=machine.sys)
        faults = Faults(process)
        for name in SENDING:
            faults.poll(Fault("sendto", name))
        for name in RECEIVING:
            faults.poll(Fault("recvmmsg", name))
    assert faults.cost == {5: len(SENDING) + len(RECEIVING)}


def test_netlink_that_does_not_answer_the_thread_costs_nothing(machine: Machine, many: Path) -> None:
    """The poll then has the file."""
    with FaultyProcess() as process:
        assert "by a thread" in process.open(many, "auto", sys=machine.sys)[-1]
        faults = Faults(process)
        for name in SENDING:
            faults.poll(Fault("sendto", name))
        for name in RECEIVING:
            faults.poll(Fault("recvfrom", name, "1"))
        for name in ("EAGAIN", "EINTR"):  # a wait for the thread that ends too early
            faults.poll(Fault("futex", name))
            faults.poll(Fault("futex", name, "2"))
    assert faults.cost == {0: len(SENDING) + len(RECEIVING) + 4}


@pytest.mark.parametrize(("source", "call"), [("proc", "pread64"), ("sysfs", "pread64"), ("netlink", "sendto")])
def test_a_signal_in_mid_call_costs_nothing(machine: Machine, source: str, call: str) -> None:
    with FaultyProcess() as process:
        process.open(machine.xml, source, sys=machine.sys)
        faults = Faults(process)
        for nth in ("1", "2", "1+2", "2..4"):
            faults.poll(Fault(call, "EINTR", nth))
        faults.poll(Fault("recvfrom" if source == "proc" else call, "EINTR"))
    assert faults.cost == {0: 5}


@pytest.mark.alone  # where a disk has changed, too, its message is the second one
@pytest.mark.parametrize("name", ["EPERM", "ENOMEM", "EIO", "EBADF"])
def test_an_interface_that_cannot_be_asked_for_who_it_is_is_no_other_one(machine: Machine, name: str) -> None:
    """The kernel tells that something has changed (ENOBUFS: more than there is room for), and so each is asked for."""
    changed = Fault("recvfrom", "ENOBUFS", "2")  # after that of the disks' changes
    with FaultyProcess() as process:
        process.open(machine.xml, "proc", sys=machine.sys)
        faults = Faults(process)
        faults.poll(changed, Fault("ioctl", name, "2"))
        faults.poll(changed, Fault("ioctl", name, "1+"))
    assert faults.cost == {1: 1, 5: 1}


def test_a_line_of_which_nothing_announces_whose_it_is_is_no_number_and_says_so(machine: Machine) -> None:
    """An open file stays its device's, and that a disk is the same as before is checked instead."""
    with FaultyProcess() as process:
        process.open(machine.xml, "proc", sys=machine.sys)
        before = process.poll()
        with process.having(Fault("recvfrom", "EIO", "1+")):
            during = process.poll()
        assert {(row.kind, row.state) for row in during} == {("block", "ok"), ("interface", "unreadable")}
        why = "the kernel's messages about changed devices (netlink) cannot be received"
        for row in during:
            assert row.problem is None or (why in row.problem and os.strerror(errno.EIO) in row.problem)
        assert process.poll() == before
