"""Which rows of a new plan are the same device of the same run of the same domain."""

from dataclasses import replace

import pytest

from vmiostat.counter_sources import BlockDevice, NetDevice, ProcessIo
from vmiostat.model import Disk, Domain, Interface, Process
from vmiostat.polling.plan_diff import plan_diff

DISK = Disk("vda", counter_source=BlockDevice(8, 0, 5))
FILE = Disk("vdb", type="file", reason="a file")
NIC = Interface("vnet0", counter_source=NetDevice("vnet0", None, 7))
WEB1 = Domain("web1", 1, "u-1", process=Process(100, 5000), disks=(DISK, FILE), interfaces=(NIC,))
DB1 = Domain("db1", 2, "u-2", process=Process(200, 6000), disks=(replace(DISK, counter_source=BlockDevice(8, 16, 6)),))


def test_rows_are_found_wherever_they_move_to() -> None:
    assert plan_diff([WEB1, DB1], [WEB1, DB1]) == ([0, 1, 2], [0])
    assert plan_diff([WEB1, DB1], [DB1, WEB1]) == ([2, 0, 1], [0])
    assert plan_diff([WEB1, DB1], [replace(WEB1, disks=(FILE, DISK))]) == ([1, 0], [0])
    assert plan_diff([], [WEB1]) == ([None, None], [None])
    assert plan_diff([WEB1], []) == ([], [])


@pytest.mark.parametrize(
    "now",
    [
        replace(WEB1, name="web2", uuid=None),
        replace(WEB1, name="web2", uuid="u-3"),
        replace(WEB1, name="web2", id=3),
        replace(WEB1, id=3),
        replace(WEB1, uuid="u-3"),
        replace(WEB1, process=Process(101, 5000)),
        replace(WEB1, process=Process(100, 5001)),
    ],
)
def test_another_domain_or_another_run_of_it_continues_nothing(now: Domain) -> None:
    assert plan_diff([WEB1], [now]) == ([None, None], [None])


@pytest.mark.parametrize(
    "now",
    [
        replace(WEB1, id=None),
        replace(WEB1, uuid=None),
        replace(WEB1, process=None),
        replace(WEB1, process=Process(100)),
        replace(WEB1, provider="another", type="qemu"),
    ],
)
def test_what_one_scan_did_not_find_is_no_difference(now: Domain) -> None:
    assert plan_diff([WEB1], [now]) == ([0, 1], [0])
    assert plan_diff([now], [WEB1]) == ([0, 1], [0])


@pytest.mark.parametrize(
    "disk",
    [
        replace(DISK, target="vdc"),
        replace(DISK, counter_source=BlockDevice(8, 32, 5)),
        replace(DISK, counter_source=BlockDevice(8, 0, 6)),
        replace(DISK, counter_source=None, reason="became a file"),
    ],
)
def test_another_disk(disk: Disk) -> None:
    assert plan_diff([WEB1], [replace(WEB1, disks=(disk, FILE))]) == ([None, 1], [0])


@pytest.mark.parametrize(
    "nic",
    [
        replace(NIC, counter_source=NetDevice("vnet0", None, 8)),
        replace(NIC, counter_source=NetDevice("vnet0", "/proc/100/ns/net", 7)),
        replace(NIC, swap_rx_tx=False),
    ],
)
def test_another_interface(nic: Interface) -> None:
    assert plan_diff([WEB1], [replace(WEB1, interfaces=(nic,))]) == ([0, 1], [None])


def test_an_old_row_is_continued_once() -> None:
    twins = replace(WEB1, interfaces=(NIC, NIC))
    assert plan_diff([WEB1], [twins]).interface == [0, None]
    assert plan_diff([twins], [twins]).interface == [0, 1]


def test_a_domain_that_is_renamed_while_it_runs() -> None:
    web2 = replace(WEB1, name="web2")
    assert plan_diff([WEB1, DB1], [DB1, web2]) == ([2, 0, 1], [0])
    assert plan_diff([WEB1], [replace(web2, id=None, process=None)]) == ([0, 1], [0])
    # Another domain takes its name meanwhile.
    assert plan_diff([WEB1, DB1], [replace(DB1, name="web1"), web2]) == ([2, 0, 1], [0])


def test_a_domain_that_is_migrated_within_its_host() -> None:
    old, now = replace(WEB1, process=None), replace(WEB1, process=None, id=3, name="web1@u-1")
    assert plan_diff([old], [old, now]) == ([0, 1, None, None], [0, None])
    assert plan_diff([old, now], [replace(now, name="web1")]) == ([2, 3], [1])


def test_the_row_of_the_whole_domain() -> None:
    total = Disk("total", counter_source=ProcessIo(100))
    assert plan_diff([WEB1], [replace(WEB1, total=total)]).block == [0, 1, None]
    assert plan_diff([replace(WEB1, total=total)], [replace(WEB1, total=total)]).block == [0, 1, 2]


def test_a_namespace_may_have_the_path_of_another_process_later() -> None:

    def through(pid: int, index: int = 7) -> Domain:
        return replace(
            WEB1, interfaces=(replace(NIC, counter_source=NetDevice("vnet0", f"/proc/{pid}/ns/net", index)),)
        )

    assert plan_diff([through(100)], [through(200)]).interface == [0]
    assert plan_diff([through(100)], [through(200, index=8)]).interface == [None]
    assert plan_diff([through(100)], [WEB1]).interface == [None]
