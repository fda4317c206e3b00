"""Signals in mid-call, and a date that jumps: no poll fails for them, and no rate is wrong."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testkit.counters_of import counters_of
from testkit.real.machine import Machine
from testkit.real.needs import need_program
from vmiostat import Host

EVERY = 0.0005


@contextmanager
def alarms() -> Iterator[list[int]]:
    """A signal every half a millisecond; as many as have come."""
    came: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: came.append(number))
    signal.setitimer(signal.ITIMER_REAL, EVERY, EVERY)
    try:
        yield came
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(("source", "is_many"), [("proc", False), ("sysfs", False), ("netlink", False), ("auto", True)])
def test_signals_in_mid_call_cost_nothing(machine: Machine, many: Path, source: str, *, is_many: bool) -> None:
    host = Host(xml=many if is_many else machine.xml, sys=machine.sys)
    with host.poller(interface_source=source) as poller:  # type: ignore[arg-type]
        expected = [counters_of(row) for row in (*poller.poll().block, *poller.poll().interface)]
        polls, end = 0, time.monotonic() + 1
        with alarms() as came:
            while time.monotonic() < end or polls <= 20 or len(came) <= 20:
                sample = poller.poll()
                polls += 1
                assert [counters_of(row) for row in (*sample.block, *sample.interface)] == expected


def test_ctrl_c_ends_a_loop_of_polls_at_once(machine: Machine, many: Path) -> None:
    with Host(xml=many, sys=machine.sys).poller() as poller:
        interrupt = threading.Timer(0.2, signal.raise_signal, [signal.SIGINT])
        interrupt.start()
        begun = time.monotonic()
        interrupted = False
        try:
            while time.monotonic() - begun < 60:
                poller.poll()
        except KeyboardInterrupt:
            interrupted = True
        assert interrupted
        interrupt.join()


# Whoever asks the C library for the date gets another year each time.
JUMPING = r"""
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static long jump(void) { static int calls; return (__sync_fetch_and_add(&calls, 1) % 50 - 25) * 31536000L; }
int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += jump();
    return failed;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    now->tv_sec = time.tv_sec, now->tv_usec = time.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *into) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return into ? *into = now.tv_sec : now.tv_sec;
}
"""
PROGRAM = """
import sys, time
from vmiostat import Host
dates = [time.time() for _ in range(10)]
assert max(dates) - min(dates) > 31536000, "the date does not jump"
with Host(xml=sys.argv[1], sys=sys.argv[2]).poller() as poller:
    before_begun = time.monotonic_ns()
    before = poller.poll()
    for _ in range(20):
        begun = time.monotonic_ns()
        time.sleep(0.01)
        after = poller.poll()
        for rate, row in zip(after.rates(before).interface, after.interface):
            assert rate.state == "ok"
            assert begun <= row.time_ns <= time.monotonic_ns()
            assert 0.01 <= rate.interval <= (time.monotonic_ns() - before_begun) / 1e9
        before, before_begun = after, begun
"""


def test_a_date_that_jumps_moves_no_rate(machine: Machine, tmp_path: Path) -> None:
    need_program("cc")
    source, library = tmp_path / "jumping.c", tmp_path / "jumping.so"
    source.write_text(JUMPING)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
    jumping = {"LD_PRELOAD": str(library)}
    subprocess.run([sys.executable, "-c", PROGRAM, machine.xml, machine.sys], check=True, env=jumping)
    # The command's reports come when they are due, too.
    begun = time.monotonic()
    roots = [f"--xml={machine.xml}", f"--sys={machine.sys}"]
    command = [sys.executable, "-m", "vmiostat", "-y", *roots, "--json", "0.2", "3"]
    done = subprocess.run(command, check=True, env=jumping, stdout=subprocess.PIPE, timeout=60)
    assert time.monotonic() - begun >= 0.6
    assert len(done.stdout.splitlines()) == 3
