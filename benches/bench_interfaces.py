"""All interfaces of a host, once: vmiostat, psutil, and a script that opens, reads and closes."""

from collections.abc import Iterable

import psutil
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benches import plain_python
from benches.conftest import Interfaces
from vmiostat import InterfaceStats, Poller

V1 = InterfaceStats.V1_SIZE
Counters = dict[str, tuple[int, ...]]


@pytest.fixture(autouse=True)
def _group(benchmark: BenchmarkFixture, interfaces: Interfaces) -> None:
    benchmark.group = f"{len(interfaces.names)} interfaces"


@pytest.fixture(scope="module")
def truth(interfaces: Interfaces) -> Counters:
    """What the kernel says, before anybody is measured: version 1's eight numbers."""
    numbers = plain_python.interfaces(interfaces.names)
    return {name: numbers[name][:4] + numbers[name][8:12] for name in interfaces.names}


def by_name(poller: Poller, rows: Iterable[InterfaceStats]) -> Counters:
    return {name: tuple(row.v1) for name, row in zip(poller.poll().interface.devices, rows, strict=True)}


def test_poll_into(benchmark: BenchmarkFixture, interfaces: Interfaces, truth: Counters) -> None:
    with interfaces.host.poller() as poller:
        memory = bytearray(V1 * poller.interface_rows)
        benchmark(poller.poll_into, interface=memory, interface_size=V1)
        rows = [InterfaceStats.from_bytes(memory[at : at + V1]) for at in range(0, len(memory), V1)]
        assert by_name(poller, rows) == truth


def test_poll(benchmark: BenchmarkFixture, interfaces: Interfaces, truth: Counters) -> None:
    with interfaces.host.poller() as poller:
        assert by_name(poller, benchmark(poller.poll).interface) == truth


def test_psutil(benchmark: BenchmarkFixture, interfaces: Interfaces, truth: Counters) -> None:
    # nowrap=False is psutil at its fastest: it does not remember what it saw last.
    found = benchmark(psutil.net_io_counters, pernic=True, nowrap=False)
    assert truth == {
        name: (
            row.bytes_recv, row.packets_recv, row.errin, row.dropin,
            row.bytes_sent, row.packets_sent, row.errout, row.dropout,
        )
        for name, row in found.items()
        if name in truth
    }  # fmt: skip


def test_plain_python(benchmark: BenchmarkFixture, interfaces: Interfaces, truth: Counters) -> None:
    found = benchmark(plain_python.interfaces, interfaces.names)
    assert {name: numbers[:4] + numbers[8:12] for name, numbers in found.items()} == truth
