"""Rows that another plan moves: rates and the caller's memory follow the row, and neither its place nor its name."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from testkit.trees.numbered_devices import Tree, change, nics
from vmiostat import BLOCK_FIELDS, BlockStats, InterfaceStats, Poller, Roots
from vmiostat.counter_sources import BlockDevice, NetDevice

DTYPE = np.dtype([(field.name, "i8") for field in BLOCK_FIELDS])


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path, 5)


def test_samples_of_two_pollers_have_no_rates(tree: Tree) -> None:
    with tree.poller([0, 1]) as one, tree.poller([0, 1]) as other:
        before, after = one.poll(), other.poll()
        assert one.poll().rates(before).interface[0].state == "ok"
        with pytest.raises(ValueError, match="these samples are of two pollers"):
            after.rates(before)


def test_of_two_domains_of_one_name_the_one_that_stays_goes_on(tree: Tree) -> None:
    """Each has a disk of the same name: only the row says whose counters these are."""
    first, second = ("twin", "vda", BlockDevice(7, 1)), ("twin", "vda", BlockDevice(7, 3))
    with Poller(Roots(tree.root), [first, second], []) as poller:
        before = poller.poll()
        poller.replan([second], [], [1], [])
        after = poller.poll()
        rate = after.rates(before).block[0]
        backwards = before.rates(after).block
    assert [row.rd_req for row in before.block] == [1, 3]
    assert (after.block[0].rd_req, rate.state, rate.rd_req) == (3, "ok", 0.0)
    assert after.block[0].row_id == before.block[1].row_id
    assert [row.state for row in backwards] == ["replaced", "stale"]


def test_another_device_of_the_same_name_is_replaced_and_any_other_is_new(tree: Tree) -> None:
    with Poller(Roots(tree.root), [], nics([0, 1])) as poller:
        before = poller.poll()
        taken_over = ("web", "net1", NetDevice("net4"), False)
        poller.replan([], [taken_over, *nics([2, 0]), ("web", "net9", None, False)], [], [None, None, 0, None])
        after = poller.poll()
    rates = after.rates(before).interface
    assert [row.state for row in rates] == ["replaced", "new", "ok", "unsupported"]
    assert [row.rx_bytes is None for row in rates] == [True, True, False, True]
    assert [row.row_id for row in before.interface] == [0, 1]
    assert [row.row_id for row in after.interface] == [2, 3, 0, 4]


def test_the_plan_s_number_goes_up_with_each_change(tree: Tree) -> None:
    memory = bytearray(5 * BlockStats.SIZE)
    with tree.poller([0, 1]) as poller:
        assert poller.poll().plan == 1
        assert poller.poll_into(block=memory) == (2, 0, 1)
        change(poller, [0, 1], [1, 2, 3])
        assert poller.poll().plan == 2
        written = poller.poll_into(block=memory, interface=bytearray(5 * InterfaceStats.SIZE))
        assert (written.block, written.interface, written.plan) == (3, 3, 2)
        assert poller.poll_into() == (0, 0, 2)


def test_memory_that_has_no_device_any_more_says_so(tree: Tree) -> None:
    memory = np.zeros(4, DTYPE)
    with tree.poller([0, 1, 2]) as poller:
        poller.poll_into(block=memory)
        assert memory["state"].tolist() == [0, 0, 0, 4]
        change(poller, [0, 1, 2], [2])
        assert poller.poll_into(block=memory).block == 1
    rows = [BlockStats.from_bytes(row.tobytes()) for row in memory]
    assert [(row.rd_req, row.state) for row in rows] == [(2, "ok"), (-1, "gone"), (-1, "gone"), (-1, "gone")]
    for row in rows[1:]:
        assert {*row} == {-1, 4}
        assert (row.time_ns, row.generation, row.row_id) == (-1, -1, -1)


def test_a_record_says_when_another_row_stands_in_its_place(tree: Tree) -> None:
    """So a program that subtracts in memory of its own can tell: while the row id stays, the row does."""
    memories = []
    with tree.poller([0, 1, 2]) as poller:
        old = [0, 1, 2]
        for new in ([0, 1, 2], [1, 2], [3, 1, 2], [2, 1, 3], [0, 3]):
            change(poller, old, new)
            memories.append((new, np.zeros(4, DTYPE)))
            poller.poll_into(block=memories[-1][1])
            old = new
    for (devices_before, before), (devices_after, after) in pairwise(memories):
        same_row = (before["row_id"] == after["row_id"]) & (after["state"] == 0)
        same_device = [
            place < min(len(devices_before), len(devices_after)) and devices_before[place] == devices_after[place]
            for place in range(4)
        ]
        assert same_row.tolist() == same_device


def test_a_row_goes_on_as_one_row(tree: Tree) -> None:
    with tree.poller([0]) as poller, pytest.raises(ValueError, match="row 0 is carried over twice"):
        poller.replan([], nics([0, 1]), [], [0, 0])
