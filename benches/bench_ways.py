"""Each way to the numbers by itself, with pytest-benchmark; `make bench` measures them side by side."""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benches.column import Here
from benches.columns.interfaces import SOURCES

pytestmark = pytest.mark.alone  # psutil remembers disks by name, and other tests reuse the names

OURS = ("poll_into", "poll", "poll + numpy", "poll + rates")
INTERFACES = [f"{way}, {source}" for source in SOURCES for way in OURS]
PSUTIL = ("psutil", "psutil, nowrap=False")
PYTHON = [f"Python: {way}" for way in ("open, read, close", "kept open")]
DISKS = [f"{way} ({file})" for way in PYTHON for file in ("diskstats", "stat files")]


@pytest.mark.parametrize(
    "way",
    [f"interfaces: {way}" for way in (*INTERFACES, *PSUTIL, *PYTHON)]
    + [f"disks: {way}" for way in (*OURS, *PSUTIL, *DISKS)],
)
def test_way(benchmark: BenchmarkFixture, ways: dict[str, Here[object]], way: str) -> None:
    benchmark.group = kind = way.partition(":")[0]
    benchmark(ways[way].call)
    others = [other for name, other in ways.items() if name.startswith(kind)]
    assert ways[way].counters() == others[0].counters()
