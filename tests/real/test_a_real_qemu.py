"""Disks that only a QEMU counts: what a real one says of them, and what becomes of a poll while it stands still."""

import json
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from testkit.command import started
from testkit.real.plain_qemu import MIB, PlainQemu, plain_qemu
from testkit.until import until
from vmiostat import BlockStats, Domain, Host, Poller

INTERVAL = 0.2
STALE = 2 * INTERVAL + 2.0
"""Seconds from an answer until it is stale: two intervals and a deadline."""

KINDS = {"rd": "rd", "wr": "wr", "fl": "flush", "ds": "unmap"}
"""Our word for a kind of requests, and QEMU's."""


@pytest.fixture
def qemus(tmp_path: Path) -> Iterator[tuple[PlainQemu, PlainQemu]]:
    with ExitStack() as stack:
        yield stack.enter_context(plain_qemu("well", tmp_path)), stack.enter_context(plain_qemu("ill", tmp_path))


@pytest.fixture
def qemu(tmp_path: Path) -> Iterator[PlainQemu]:
    with plain_qemu("well", tmp_path) as made:
        yield made


def domains(*qemus: PlainQemu) -> list[Domain]:
    """Those of all virtual machines of this machine that are the test's."""
    found = {domain.process.pid: domain for domain in Host().domains() if domain.process is not None}
    return [found[qemu.pid] for qemu in qemus]


def disks(poller: Poller, qemu: PlainQemu) -> dict[str, BlockStats]:
    """The rows that are its disks', in a poll made now."""
    block = poller.poll().block
    return {disk: block[qemu.name, disk] for disk in PlainQemu.DISKS}


def states(poller: Poller, qemu: PlainQemu) -> set[str]:
    return {row.state for row in disks(poller, qemu).values()}


def age(rows: dict[str, BlockStats]) -> float:
    """Seconds since the answer."""
    return (time.monotonic_ns() - rows["raw0"].time_ns) / 1e9


def by_our_names(stats: dict[str, int]) -> dict[str, int]:
    """BlockDeviceStats, with the names written out."""
    found = {"wr_highest": stats["wr_highest_offset"]}
    for ours, theirs in KINDS.items():
        found[f"{ours}_req"] = stats[f"{theirs}_operations"]
        found[f"{ours}_time"] = stats[f"{theirs}_total_time_ns"]
        found[f"{ours}_failed"] = stats[f"failed_{theirs}_operations"]
        found[f"{ours}_invalid"] = stats[f"invalid_{theirs}_operations"]
        if ours != "fl":
            found[f"{ours}_bytes"] = stats[f"{theirs}_bytes"]
            found[f"{ours}_merged"] = stats[f"{theirs}_merged"]
    return found


def test_every_number_is_the_one_that_qemu_tells_others(qemu: PlainQemu) -> None:
    for size, count in ((512, 3), (65536, 5)):
        for number in range(count):
            qemu.io("raw0", f"aio_write {number * size} {size}")
            qemu.io("raw0", f"aio_read {number * size} {size}")
            qemu.io("qcow0", f"aio_write {MIB + number * size} {size}")
    with Host().poller(domains(qemu), qemu_interval="on demand") as poller:
        assert poller.query(10.0)
        rows = disks(poller, qemu)
    told = qemu.stats()
    for name, row in rows.items():
        assert (row.state, row.errs, row.in_flight, row.busy_time) == ("ok", -1, -1, -1)
        assert {field: getattr(row, field) for field in by_our_names(told[name]["stats"])} == by_our_names(
            told[name]["stats"]
        )
    raw, qcow = rows["raw0"], rows["qcow0"]
    assert (raw.wr_req, raw.rd_req, qcow.wr_req) == (8, 8, 8)
    assert raw.wr_bytes == raw.rd_bytes == qcow.wr_bytes == 3 * 512 + 5 * 65536
    assert qcow.wr_highest == MIB + 5 * 65536
    assert qcow.allocation == told["qcow0"]["parent"]["stats"]["wr_highest_offset"] > 0
    assert (raw.capacity, qcow.capacity, rows["cd0"].capacity) == (4 * MIB, 8 * MIB, -1)
    assert raw.physical == qemu.raw.stat().st_blocks * 512
    assert qcow.physical == qemu.qcow2.stat().st_blocks * 512


def test_a_rate_divides_by_the_time_between_two_answers(qemu: PlainQemu) -> None:
    with Host().poller(domains(qemu), qemu_interval="on demand") as poller:
        assert poller.query(10.0)
        before = poller.poll()
        for number in range(20):
            qemu.io("raw0", f"aio_write {number * 4096} 4096")
        time.sleep(0.3)
        asked = time.monotonic_ns()
        assert poller.query(10.0)
        answered = time.monotonic_ns()
        time.sleep(0.3)
        after = poller.poll()
    name = (qemu.name, "raw0")
    assert asked < after.block[name].time_ns < answered
    rate = after.rates(before).block[name]
    passed = (after.block[name].time_ns - before.block[name].time_ns) / 1e9
    assert rate.interval == pytest.approx(passed)
    assert rate.wr_req == pytest.approx(20 / passed)


def hundred_a_second(poller: Poller, count: int) -> list[float]:
    """Seconds that each poll took."""
    took = []
    due = time.monotonic()
    for _ in range(count):
        begin = time.perf_counter()
        poller.poll()
        took.append(time.perf_counter() - begin)
        due = max(due + 0.01, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))
    return took


@pytest.mark.timing
def test_one_that_stands_still_costs_its_own_rows(qemus: tuple[PlainQemu, PlainQemu]) -> None:
    well, ill = qemus
    with Host().poller(domains(*qemus), qemu_interval=INTERVAL) as poller:
        until(lambda: states(poller, well) == states(poller, ill) == {"ok"})
        before = hundred_a_second(poller, 300)
        with ill.stopped():
            last = disks(poller, ill)
            until(lambda: states(poller, ill) == {"stale"})
            assert age(disks(poller, ill)) > STALE
            meanwhile = hundred_a_second(poller, 300)
            assert states(poller, well) == {"ok"}
            old = disks(poller, ill)
            assert [row.rd_req for row in old.values()] == [row.rd_req for row in last.values()], "the last answer's"
            assert STALE < age(old) < age(disks(poller, ill))
            block = poller.poll().block
            row = list(zip(block.domains, block.devices, strict=True)).index((ill.name, "raw0"))
            assert str(poller.problem("block", row)) == f"QMP {ill.qmp}: no answer within 2 s"
        until(lambda: states(poller, ill) == {"ok"})
        assert {row.generation for row in disks(poller, ill).values()} == {0}
    # Half as much again, and what a busy machine does by itself.
    assert statistics.median(meanwhile) < 1.5 * statistics.median(before) + 50e-6
    assert max(meanwhile) < 1.5 * max(before) + 0.01


def test_somebody_else_at_the_socket(qemu: PlainQemu) -> None:
    with Host().poller(domains(qemu), qemu_interval="on demand") as poller:
        with socket.socket(socket.AF_UNIX) as other:
            other.connect(str(qemu.qmp))
            assert b"QMP" in other.recv(4096)
            assert poller.query(10.0)
            assert states(poller, qemu) == {"stale"}
        until(lambda: states(poller, qemu) == {"ok"})
        # It is free again at once.
        with socket.socket(socket.AF_UNIX) as other:
            other.settimeout(5)
            other.connect(str(qemu.qmp))
            assert b"QMP" in other.recv(4096)


def test_another_qemu_at_the_same_socket(tmp_path: Path) -> None:
    """A plan that does not follow changes believes only the QEMU that it was made for; one that does finds the next."""
    with plain_qemu("vm", tmp_path) as first:
        name = first.name
        poller = Host().poller(domains(first), qemu_interval="on demand")
        following = Host().follow(select=lambda domain: domain if domain.name == name else None, qemu_interval=0.1)
        first.io("raw0", "aio_write 0 4096")
        assert poller.query(10.0)
        until(lambda: following.poll().block[name, "raw0"].wr_req == 1)
        before = poller.poll(), following.poll()
    first.qmp.unlink()
    with poller, following, plain_qemu("vm", tmp_path):
        assert poller.query(10.0)
        after = poller.poll()
        assert (after.block[name, "raw0"].wr_req, after.block[name, "raw0"].state) == (1, "stale")
        row = list(after.block).index(after.block[name, "raw0"])
        assert "has ended" in str(poller.problem("block", row))
        until(lambda: (name, "raw0") in following.poll().block and following.poll().block[name, "raw0"].wr_req == 0)
        assert following.poll().rates(before[1]).block[name, "raw0"].state == "replaced"
    assert before[0].block[name, "raw0"].wr_req == 1


def test_closing_takes_no_time_while_one_stands_still(qemu: PlainQemu) -> None:
    with Host().poller(domains(qemu), qemu_interval=INTERVAL) as poller, qemu.stopped():
        time.sleep(2 * INTERVAL)
        poller.close()
        assert not any(thread.name == "vmiostat-query" for thread in threading.enumerate())


def interrupt(process: "subprocess.Popen[str]") -> None:
    """Ends the process by Ctrl-C."""
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)  # Python then prints where each thread is
        pytest.fail(f"it does not end: {process.communicate()[1]}")


def asking_command(qemu: PlainQemu) -> "subprocess.Popen[str]":
    process = started("-b", "--json", "--qemu-interval", "0.1", "0.1")
    assert process.stdout is not None
    assert qemu.name in process.stdout.readline()
    return process


def test_each_interval_of_the_command_is_about_the_reports(qemu: PlainQemu) -> None:
    process = started("-b", "-y", "--json", "--qemu-interval", "0.4", "0.4", "4")
    printed, _ = process.communicate(timeout=60)
    rows = [row for line in printed.splitlines() for row in json.loads(line)["block"]]
    intervals = [row["interval"] for row in rows if (row["domain"], row["device"]) == (qemu.name, "raw0")]
    assert len(intervals) == 4
    assert min(intervals) > 0.1, "two answers right after each other"


PROGRAM = """
import time, vmiostat
with vmiostat.Host().poller(qemu_interval=0.1) as poller:
    poller.poll()
    time.sleep(0.5)
    print("asking", flush=True)
    time.sleep(60)
"""


def asking_program(_: PlainQemu) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    command = [sys.executable, "-X", "faulthandler", "-c", PROGRAM]
    process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "asking\n"
    return process


@pytest.mark.parametrize("asking", [asking_command, asking_program])
def test_ctrl_c_ends_it_while_one_stands_still(
    qemu: PlainQemu, asking: Callable[[PlainQemu], "subprocess.Popen[str]"]
) -> None:
    with qemu.stopped():
        interrupt(asking(qemu))
