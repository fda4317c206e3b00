"""A sample's arrays and the rates of two of them, as Python sees them."""

import math
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from testkit.targets import targets
from vmiostat import BLOCK_FIELDS, STATES, BlockStats, Host, InterfaceStats, Poller, Roots, SizeError
from vmiostat.counter_sources import BlockDevice, NetDevice

HEADING = "Inter-|   Receive\n face |bytes\n"


class Machine:
    """A machine as files, with a Poller of three interfaces and two disks."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "proc/net").mkdir(parents=True)
        self.set(0)
        self.poller = Poller(
            Roots(root),
            [("web1", "vda", BlockDevice(8, 0)), ("web1", "vdb", None)],
            [
                ("web1", "net0", NetDevice("vnet0"), True),
                ("web2", "net0", NetDevice("vnet1"), False),
                ("web2", "net1", NetDevice("vnet9"), False),
            ],
        )

    def set(self, count: int) -> None:
        numbers = " ".join(str(count + column) for column in range(17))
        (self.root / "proc/diskstats").write_text(f"   8       0 sda {numbers}\n")
        numbers = " ".join(str(count + column) for column in range(16))
        (self.root / "proc/net/dev").write_text(f"{HEADING} vnet0: {numbers}\n vnet1: {numbers}\n")


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    with machine.poller:
        yield machine


def test_rows_by_number_and_by_name(machine: Machine) -> None:
    sample = machine.poller.poll()
    assert sample.block.domains == ("web1", "web1")
    assert sample.interface.devices == ("net0", "net0", "net1")
    assert len(sample.interface) == len(list(sample.interface)) == 3
    assert sample.interface["web2", "net0"] == sample.interface[1] == sample.interface[-2]
    assert sample.interface["web1", "net0"].rx_bytes == 8
    assert sample.interface["web2", "net0"].rx_bytes == 0
    assert [row.state for row in sample.interface] == ["ok", "ok", "gone"]
    assert sample.block["web1", "vdb"].state == "unsupported"
    with pytest.raises(KeyError):
        _ = sample.interface["web1", "net1"]
    for row in (3, -4):
        with pytest.raises(IndexError):
            _ = sample.interface[row]


def test_numpy_sees_the_same_memory_with_names(machine: Machine) -> None:
    machine.set(5)
    sample = machine.poller.poll()
    array = np.asarray(sample.block)
    assert array.dtype.names == tuple(field.name for field in BLOCK_FIELDS)
    offsets = [place[1] for place in (array.dtype.fields or {}).values()]
    assert offsets == [field.offset for field in BLOCK_FIELDS]
    assert array["rd_req"].tolist() == [5, -1]
    assert [STATES[state] for state in array["state"]] == ["ok", "unsupported"]
    assert np.asarray(sample.block).__array_interface__["data"] == array.__array_interface__["data"]
    assert not array.flags.writeable
    view = memoryview(sample.interface)
    assert (view.shape, view.itemsize, view.readonly) == ((3,), InterfaceStats.SIZE, True)
    del sample
    assert array["rd_bytes"].tolist() == [7 * 512, -1]


def test_rates_by_each_row_s_own_time(machine: Machine) -> None:
    before = machine.poller.poll()
    machine.set(1000)
    after = machine.poller.poll()
    rates = after.rates(before)
    row = rates.interface["web2", "net0"]
    nanoseconds = after.interface[1].time_ns - before.interface[1].time_ns
    assert row.interval == nanoseconds / 1e9
    assert row.rx_bytes == 1000 / (nanoseconds / 1e9)
    assert rates.block[0].in_flight == 1008
    assert rates.block[0].errs is None
    assert [row.state for row in rates.interface] == ["ok", "ok", "gone"]
    assert rates.interface[2].rx_bytes is rates.interface[2].interval is None
    assert rates.interface.domains == before.interface.domains
    array = np.asarray(rates.interface)
    assert array["rx_bytes"][1] == row.rx_bytes
    assert math.isnan(array["rx_bytes"][2])
    assert array["state"].tolist() == [0, 0, 4]
    assert "rx_frame=None" in repr(rates.interface[0])


def test_no_rate_backwards_in_time_or_of_a_reset(machine: Machine) -> None:
    machine.set(1000)
    before = machine.poller.poll()
    machine.set(10)
    after = machine.poller.poll()
    assert [row.state for row in after.rates(before).interface] == ["reset", "reset", "gone"]
    assert [row.state for row in before.rates(after).interface] == ["stale", "stale", "gone"]
    assert [row.state for row in after.rates(after).block] == ["stale", "unsupported"]
    assert after.rates(before).block[0].rd_req is None


def test_rates_since_the_machine_started() -> None:
    with Host().poller() as poller:
        sample = poller.poll()
    rates = sample.rates()
    for row, rate in zip(sample.interface, rates.interface, strict=True):
        if row.state == "ok":
            assert rate.interval == row.time_ns / 1e9
            assert rate.rx_bytes == pytest.approx(row.rx_bytes / rate.interval)


def test_rates_since_a_captured_machine_started(machine: Machine) -> None:
    """Not since this one did: without its own time there is no rate."""
    machine.set(1000)
    row = machine.poller.poll().rates().interface[1]
    assert (row.state, row.interval, row.rx_bytes) == ("new", None, None)
    (machine.root / "proc/uptime").write_text("100.00 150.00\n")
    with Poller(Roots(machine.root), [], [("web2", "net0", NetDevice("vnet1"), False)]) as poller:
        row = poller.poll().rates().interface[0]
    assert row.interval is not None
    assert row.interval == pytest.approx(100, abs=10)
    assert row.rx_bytes == pytest.approx(1000 / row.interval)


def test_into_the_caller_s_memory(machine: Machine) -> None:
    machine.set(3)
    for memory in (bytearray(3 * 64), np.zeros(3 * 8, "i8"), np.zeros((3, 8), "i8")):
        machine.poller.poll_into(interface=memory, interface_size=64)
        rows = [struct.unpack_from("8q", memory, 64 * row) for row in range(3)]
        assert rows[1] == machine.poller.poll().interface[1].v1
        assert rows[2] == (-1,) * 8
    block = bytearray(2 * BlockStats.SIZE + 5)
    machine.poller.poll_into(block=block)
    assert BlockStats.from_bytes(block[: BlockStats.SIZE]).rd_req == 3
    assert block[-5:] == bytes(5)


def test_memory_that_cannot_be_used(machine: Machine) -> None:
    poll_into = machine.poller.poll_into
    with pytest.raises(SizeError, match="3 rows of 64 bytes need 192 bytes, but the buffer has 191"):
        poll_into(interface=bytearray(191), interface_size=64)
    with pytest.raises(SizeError, match="must not exceed 272"):
        poll_into(block=bytearray(1000), block_size=273)
    for size in (-1, 1 << 64):
        with pytest.raises(SizeError, match=f"no struct has a size of {size} bytes"):
            poll_into(block=bytearray(1000), block_size=size)
    with pytest.raises(BufferError):
        poll_into(block=bytes(1000))
    with pytest.raises((BufferError, ValueError)):
        poll_into(block=np.zeros((40, 40), "i8")[::2, ::2])
    with pytest.raises(TypeError):
        poll_into(block=3)  # type: ignore[arg-type]
    both = bytearray(1000)
    for block, interface in ((both, both), (memoryview(both)[:500], memoryview(both)[499:])):
        with pytest.raises(ValueError, match="each table needs memory of its own"):
            poll_into(block=block, interface=interface)
    poll_into(block=memoryview(both)[:500], interface=memoryview(both)[500:], interface_size=8, block_size=8)
    untouched = bytearray(b"\x55" * 1000)
    with pytest.raises(SizeError):
        poll_into(block=untouched, interface=bytearray(3))
    assert untouched == b"\x55" * 1000


def test_a_closed_poller_says_so(machine: Machine) -> None:
    sample = machine.poller.poll()
    machine.poller.close()
    machine.poller.close()
    assert machine.poller.closed
    with pytest.raises(ValueError, match="closed"):
        machine.poller.poll()
    assert sample.interface[0].state == "ok"
    assert repr(machine.poller) == "<Poller of 2 block devices and 3 interfaces, closed>"


def test_a_plan_s_mistakes_are_told(tmp_path: Path) -> None:
    roots = Roots(tmp_path)
    with pytest.raises(TypeError, match=r"vmiostat\.counter_sources\.BlockCounterSource, not 'sda'"):
        Poller(roots, [("a", "b", "sda")], [])  # type: ignore[list-item]
    with pytest.raises(TypeError, match=r"BlockCounterSource, not BlockDevice\(major=-1"):
        Poller(roots, [("a", "b", BlockDevice(-1, 0))], [])
    with pytest.raises(TypeError, match=r"InterfaceCounterSource, not BlockDevice\("):
        Poller(roots, [], [("a", "b", BlockDevice(8, 0), False)])  # type: ignore[list-item]
    with Poller(roots, [], []) as poller:
        assert len(poller.poll().block) == 0
        assert poller.problem("block", 0) is None


def test_names_that_are_no_utf_8(tmp_path: Path) -> None:
    (tmp_path / "proc/net").mkdir(parents=True)
    numbers = " ".join(["7"] * 16)
    (tmp_path / "proc/net/dev").write_bytes(HEADING.encode() + b"  v\xff0: " + numbers.encode() + b"\n")
    host = Host(tmp_path)
    (name,) = targets(host.domain("host").interfaces)
    assert name == "v\udcff0"
    with host.poller() as poller:
        assert poller.poll().interface["host", name].rx_bytes == 7


def test_another_disk_under_the_number_does_not_have_the_size_of_the_one_before(machine: Machine) -> None:
    def disk() -> tuple[str, int, int]:
        row = machine.poller.poll().block[0]
        return row.state, row.generation, row.capacity

    size = machine.root / "sys/dev/block/8:0/size"
    size.parent.mkdir(parents=True)
    size.write_text("2048\n")
    assert disk() == ("ok", 0, -1)
    machine.poller.reopen()
    assert disk() == ("ok", 0, 1 << 20)
    (machine.root / "proc/diskstats").write_text("")
    assert disk() == ("gone", 0, -1)
    machine.set(5)
    size.write_text("4096\n")
    assert disk() == ("ok", 1, -1)
    machine.poller.reopen()
    assert disk() == ("ok", 1, 2 << 20)


def test_a_device_that_a_file_of_several_pieces_lacks_is_looked_for_once_more(tmp_path: Path) -> None:
    """The kernel passes over one when another one leaves between two pieces."""
    (tmp_path / "proc").mkdir()
    file = tmp_path / "proc/diskstats"
    lines = [f"   8 {minor:7} sd{minor} {' '.join('9' * 17)}\n" for minor in range(999)]
    file.write_text("".join(lines))
    with Poller(
        Roots(tmp_path), [("web1", "vda", BlockDevice(8, 500)), ("web1", "vdb", BlockDevice(8, 998))], []
    ) as poller:
        (once,) = poller.explain()
        file.write_text("".join(lines[:500] + lines[501:]))
        (twice,) = poller.explain()
        assert [row.state for row in poller.poll().block] == ["gone", "ok"]
        (again,) = poller.explain()
    assert once.system_calls > 2
    assert twice.system_calls == 2 * again.system_calls
