"""A steady poll reads, and does nothing else: no open, no close, no new memory. Seen by strace, not believed."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.real.machine import Machine
from tests.real.needs import need_program, skip

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


@pytest.mark.parametrize("way", ["poll", "poll_into"])
def test_a_steady_poll_only_reads(machine: Machine, tmp_path: Path, way: str) -> None:
    need_program("strace")
    trace = tmp_path / "trace"
    traced = subprocess.run(
        ["strace", "-f", "-o", trace, sys.executable, "-c", PROGRAM, machine.xml, machine.sys, way, str(POLLS)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "ptrace" in traced.stderr and traced.returncode != 0:
        skip(f"needs a strace that may trace; here it may not: {traced.stderr.strip()}")
    assert traced.returncode == 0, traced.stderr
    assert traced.stdout.split() == ["2", "5"]

    calls = [match[1] for line in trace.read_text().splitlines() if (match := re.match(r"\d+ +(\w+)\(", line))]
    first = calls.index("getppid")
    last = calls.index("getppid", first + 1)
    counted = Counter(calls[first + 1 : last])
    assert set(counted) <= {"pread64", "preadv", "read", "lseek"}, counted
    assert counted.total() >= 2 * POLLS
    # Each file is read to its end, so at least twice; two files and seven rows need no more than this.
    assert counted.total() <= 6 * POLLS


# As above, but tells what the poller says that a poll takes.
EXPLAINED = (
    PROGRAM.replace("poller()", "poller(interface_source=source)")
    .replace("xml, sys_root, way, polls =", "xml, sys_root, way, polls, source =")
    .replace(
        "print(poller.block_rows, poller.interface_rows)", "print(sum(one.system_calls for one in poller.explain()))"
    )
)


@pytest.mark.parametrize("source", ["auto", "proc", "sysfs", "netlink"])
def test_a_poll_takes_the_system_calls_that_are_explained(machine: Machine, tmp_path: Path, source: str) -> None:
    need_program("strace")
    trace = tmp_path / "trace"
    arguments = [str(machine.xml), str(machine.sys), "poll_into", str(POLLS), source]
    traced = subprocess.run(
        ["strace", "-f", "-o", trace, sys.executable, "-c", EXPLAINED, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if "ptrace" in traced.stderr and traced.returncode != 0:
        skip(f"needs a strace that may trace; here it may not: {traced.stderr.strip()}")
    assert traced.returncode == 0, traced.stderr
    calls = [match[1] for line in trace.read_text().splitlines() if (match := re.match(r"\d+ +(\w+)\(", line))]
    first = calls.index("getppid")
    counted = Counter(calls[first + 1 : calls.index("getppid", first + 1)])
    assert counted.total() == POLLS * int(traced.stdout), counted
