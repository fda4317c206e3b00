"""A steady poll reads, and does nothing else: no open, no close, no new memory. Seen by strace, not believed."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from testkit.real.machine import Machine
from testkit.real.needs import need_program, skip

POLLS = 1000
# The frequent path in a process of its own, between two calls of getppid that mark it in the trace.
PROGRAM = """
import os, sys
from vmiostat import BlockStats, Host, InterfaceStats
xml, sys_root, way, polls = sys.argv[1:]
poller = Host(xml=xml, sys=sys_root).poller()
block = bytearray(BlockStats.SIZE * poller.block_rows)
interface = bytearray(InterfaceStats.SIZE * poller.interface_rows)
poll = poller.poll if way == "poll" else lambda: poller.poll_into(block=block, interface=interface)
poll()
os.getppid()
for _ in range(int(polls)):
    poll()
os.getppid()
print(poller.block_rows, poller.interface_rows)
"""


# As above, but tells what the poller says that a poll takes.
EXPLAINED = (
    PROGRAM.replace("poller()", "poller(interface_source=source)")
    .replace("xml, sys_root, way, polls =", "xml, sys_root, way, polls, source =")
    .replace(
        "print(poller.block_rows, poller.interface_rows)", "print(sum(one.system_calls for one in poller.explain()))"
    )
)


def traced(folder: Path, program: str, machine: Machine, *arguments: str) -> tuple["Counter[str]", str]:
    """The system calls between the marks, and what the program printed."""
    need_program("strace")
    trace = folder / "trace"
    done = subprocess.run(
        ["strace", "-f", "-o", trace, sys.executable, "-c", program, machine.xml, machine.sys, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if "ptrace" in done.stderr and done.returncode != 0:
        skip(f"needs a strace that may trace; here it may not: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    calls = [match[1] for line in trace.read_text().splitlines() if (match := re.match(r"\d+ +(\w+)\(", line))]
    first = calls.index("getppid")
    return Counter(calls[first + 1 : calls.index("getppid", first + 1)]), done.stdout


@pytest.mark.alone  # the kernel announces every disk of the machine, and that is read
@pytest.mark.parametrize("way", ["poll", "poll_into"])
def test_a_steady_poll_only_reads(machine: Machine, tmp_path: Path, way: str) -> None:
    counted, printed = traced(tmp_path, PROGRAM, machine, way, str(POLLS))
    assert printed.split() == ["2", "5"]
    assert set(counted) <= {"pread64", "preadv", "read", "lseek", "recvfrom"}, counted
    # Whether a disk or an interface has come or gone is a read of one socket each, which has nothing to tell.
    assert counted["recvfrom"] == 2 * POLLS
    # A read of /proc/net/dev and one of each disk: seven rows need no more than this.
    assert counted.total() >= 3 * POLLS
    assert counted.total() <= 6 * POLLS


@pytest.mark.alone
@pytest.mark.parametrize("source", ["auto", "proc", "sysfs", "netlink"])
def test_a_poll_takes_the_system_calls_that_are_explained(machine: Machine, tmp_path: Path, source: str) -> None:
    counted, printed = traced(tmp_path, EXPLAINED, machine, "poll_into", str(POLLS), source)
    assert counted.total() == POLLS * int(printed), counted
