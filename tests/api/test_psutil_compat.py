"""Counters under the names of psutil, compared with psutil on this machine."""

import struct

import psutil
import pytest

from testkit.this_host import this_host
from vmiostat import BlockStats, Host, InterfaceStats
from vmiostat.psutil_compat import DiskIO, NetIO, as_psutil


def bracketed(low: tuple[int, ...], ours: tuple[int | None, ...], high: tuple[int, ...]) -> bool:
    """Whether each number lies between what psutil read before and after."""
    return all(
        number is not None and least <= number <= most for least, number, most in zip(low, ours, high, strict=True)
    )


def test_disks_equal_psutils() -> None:
    with Host(view="host").poller([this_host()]) as poller:
        before = psutil.disk_io_counters(perdisk=True, nowrap=False)
        ours = as_psutil(poller.poll().block)
        after = psutil.disk_io_counters(perdisk=True, nowrap=False)
    if not ours:
        pytest.skip("this machine has no disk")
    assert DiskIO._fields == type(next(iter(before.values())))._fields
    for (_, device), stats in ours.items():
        assert bracketed(before[device], stats, after[device]), (device, before[device], stats, after[device])


def test_interfaces_equal_psutils() -> None:
    with Host(view="host").poller([this_host()]) as poller:
        before = psutil.net_io_counters(pernic=True, nowrap=False)
        ours = as_psutil(poller.poll().interface)
        after = psutil.net_io_counters(pernic=True, nowrap=False)
    assert ("host", "lo") in ours
    assert NetIO._fields == type(before["lo"])._fields
    for (_, device), stats in ours.items():
        assert bracketed(before[device], stats, after[device]), (device, before[device], stats, after[device])


def test_one_devices_stats_have_it_as_a_method() -> None:
    stats = BlockStats.from_bytes(struct.pack("20q", *range(1, 21)))
    assert stats.as_psutil() == as_psutil(stats)
    assert stats.as_psutil()[:4] == (stats.rd_req, stats.wr_req, stats.rd_bytes, stats.wr_bytes) == (1, 3, 2, 4)
    nic = InterfaceStats.from_bytes(struct.pack("8q", *range(1, 9)))
    assert nic.as_psutil() == NetIO(
        bytes_sent=5, bytes_recv=1, packets_sent=6, packets_recv=2, errin=3, errout=7, dropin=4, dropout=8
    )


def test_times_are_milliseconds() -> None:
    words = dict.fromkeys(range(20), 0) | {8: 7_000_000, 9: 9_999_999, 15: 1_000_000}
    stats = BlockStats.from_bytes(struct.pack("20q", *words.values()))
    assert (stats.as_psutil().read_time, stats.as_psutil().write_time, stats.as_psutil().busy_time) == (7, 9, 1)


def test_what_is_unknown_is_none_and_not_zero() -> None:
    assert set(as_psutil(BlockStats.from_bytes(b"\xff" * BlockStats.SIZE))) == {None}
    assert as_psutil(BlockStats.from_bytes(bytes(40))) == (0, 0, 0, 0, None, None, None, None, None)
    assert set(as_psutil(InterfaceStats.from_bytes(b""))) == {None}


def test_what_has_no_counters_is_refused() -> None:
    with pytest.raises(TypeError, match="not tuple"):
        as_psutil((1, 2, 3))  # type: ignore[call-overload]
