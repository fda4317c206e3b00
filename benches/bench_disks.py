"""All disks of a host, once: vmiostat, psutil, and scripts that open, read and close."""

from collections.abc import Callable, Iterable

import psutil
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benches import plain_python
from benches.conftest import Disks
from vmiostat import BlockStats, Poller

V1 = BlockStats.V1_SIZE
SECTOR = 512
Counters = dict[str, tuple[int, ...]]


@pytest.fixture(autouse=True)
def _group(benchmark: BenchmarkFixture, disks: Disks) -> None:
    benchmark.group = f"{len(disks.loops)} disks"


@pytest.fixture(scope="module")
def truth(disks: Disks) -> Counters:
    """What the kernel says, before anybody is measured: reads, bytes read, writes, bytes written."""
    return requests_and_bytes(plain_python.disks_of_stat_files([loop.name for loop in disks.loops]))


def requests_and_bytes(numbers: Counters) -> Counters:
    return {name: (row[0], row[2] * SECTOR, row[4], row[6] * SECTOR) for name, row in numbers.items()}


def by_name(disks: Disks, poller: Poller, rows: Iterable[BlockStats]) -> Counters:
    names = {disk.target: (disk.source or "").removeprefix("/dev/") for disk in disks.host.domain("guest").disks}
    targets = poller.poll().block.devices
    return {names[target]: tuple(row.v1)[:4] for target, row in zip(targets, rows, strict=True)}


def test_poll_into(benchmark: BenchmarkFixture, disks: Disks, truth: Counters) -> None:
    with disks.host.poller() as poller:
        memory = bytearray(V1 * poller.block_rows)
        benchmark(poller.poll_into, block=memory, block_size=V1)
        rows = [BlockStats.from_bytes(memory[at : at + V1]) for at in range(0, len(memory), V1)]
        assert by_name(disks, poller, rows) == truth


def test_poll(benchmark: BenchmarkFixture, disks: Disks, truth: Counters) -> None:
    with disks.host.poller() as poller:
        assert by_name(disks, poller, benchmark(poller.poll).block) == truth


def test_psutil(benchmark: BenchmarkFixture, truth: Counters) -> None:
    # nowrap=False is psutil at its fastest: it does not remember what it saw last.
    found = benchmark(psutil.disk_io_counters, perdisk=True, nowrap=False)
    assert truth == {
        name: (row.read_count, row.read_bytes, row.write_count, row.write_bytes)
        for name, row in found.items()
        if name in truth
    }


@pytest.mark.parametrize("way", [plain_python.disks_of_diskstats, plain_python.disks_of_stat_files])
def test_plain_python(benchmark: BenchmarkFixture, truth: Counters, way: Callable[[list[str]], Counters]) -> None:
    assert requests_and_bytes(benchmark(way, list(truth))) == truth
