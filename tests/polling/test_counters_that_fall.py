"""Counters that fall, wrap or are read wrongly once: no rate is a spike, and none costs the rate of another counter."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from vmiostat import Poller, Roots, Sample
from vmiostat.counter_sources import BlockDevice, NetDevice

DISK, NIC = ("web1", "vda"), ("web1", "vnet0")


class Machine:
    """A made machine with a disk and an interface."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "proc/net").mkdir(parents=True)
        self.poller: Poller | None = None

    def sample(self, disk: Sequence[int] = (1,) * 17, interface: Sequence[int] = (1,) * 16) -> Sample:
        (self.root / "proc/diskstats").write_text(f" 8 0 sda {' '.join(map(str, disk))}\n")
        (self.root / "proc/net/dev").write_text(f"vnet0: {' '.join(map(str, interface))}\n")
        if self.poller is None:
            blocks = [("web1", "vda", BlockDevice(8, 0))]
            self.poller = Poller(Roots(self.root), blocks, [("web1", "vnet0", NetDevice("vnet0"), False)])
        return self.poller.poll()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    if machine.poller is not None:
        machine.poller.close()


def test_one_sample_of_zeros_makes_no_spike(machine: Machine) -> None:
    large = 10**12
    samples = [machine.sample((value,) * 17, (value,) * 16) for value in (large, 0, large + 9, large + 18)]
    rates = [after.rates(before) for before, after in pairwise(samples)]
    assert [rate.block[DISK].state for rate in rates] == ["reset", "reset", "ok"]
    assert [rate.interface[NIC].state for rate in rates] == ["reset", "reset", "ok"]
    growth = rates[2].interface[NIC]
    assert growth.interval
    assert growth.rx_bytes == pytest.approx(9 / growth.interval)


def test_a_column_that_wraps_or_falls_alone_costs_no_other(machine: Machine) -> None:
    before = [100] * 17
    before[9] = 2**32 - 5  # ms busy
    after, falls = [200] * 17, [200] * 16
    falls[7] = 0  # multicast
    first = machine.sample(before, [100] * 16)
    rates = machine.sample(after, falls).rates(first)
    disk, interface = rates.block[DISK], rates.interface[NIC]
    assert (disk.state, disk.busy_time, interface.state, interface.rx_multicast) == ("ok", None, "ok", None)
    assert disk.interval
    assert interface.interval
    assert disk.rd_bytes == pytest.approx(100 * 512 / disk.interval)
    assert interface.rx_bytes == pytest.approx(100 / interface.interval)


def test_a_number_that_does_not_fit_costs_no_other(machine: Machine) -> None:
    disk, interface = [1] * 17, [1] * 16
    disk[4], disk[8], interface[3] = 2**63, 2**32 - 1, 2**64 - 1
    sample = machine.sample(disk, interface)
    block, nic = sample.block[DISK], sample.interface[NIC]
    assert (block.state, block.wr_req, block.in_flight, block.rd_req) == ("ok", -1, -1, 1)
    assert (nic.state, nic.rx_drop, nic.rx_bytes) == ("ok", -1, 1)
