"""A plan is replaced during polls: carried-over rows continue, and no sample is of two plans."""

import random
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from testkit.real.process import descriptors
from testkit.trees.numbered_devices import Tree, carried_over, change, disks, nics
from vmiostat import InterfaceStats, Poller, Roots, Sample, SizeError


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path, 20)


def test_rates_of_carried_over_rows_continue(tree: Tree) -> None:
    with tree.poller([0, 1, 2]) as poller:
        before = poller.poll()
        change(poller, [0, 1, 2], [2, 5, 0])
        tree.write(7)
        after = poller.poll()
        rates = after.rates(before).interface
        # net1 goes and comes: it might be another one by now.
        change(poller, [2, 5, 0], [1, 2])
        rate_of_another = poller.poll().rates(before).interface["web", "net1"]
    assert after.interface.devices == ("net2", "net5", "net0")
    assert after.block.devices == ("disk2", "disk5", "disk0")
    assert [row.rx_bytes for row in after.interface] == [207, 507, 7]
    assert [row.rd_req for row in after.block] == [2, 5, 0]
    assert [row.state for row in rates] == ["ok", "new", "ok"]
    for row in rates:
        assert row.state == "new" or (row.rx_bytes is not None and row.rx_bytes > 0)
    assert [row.generation for row in after.interface] == [0, 1, 0]
    assert (rate_of_another.state, rate_of_another.rx_bytes) == ("replaced", None)


def test_what_the_poller_says_is_of_the_new_plan(tree: Tree) -> None:
    with tree.poller([0, 1]) as poller:
        memory = bytearray(2 * InterfaceStats.SIZE)
        poller.poll_into(interface=memory)
        poller.replan([], [*nics([3, 4]), ("web", "net9", None, False)], [], [None, None, None])
        assert (poller.block_rows, poller.interface_rows) == (0, 3)
        assert sum(one.rows for one in poller.explain()) == 3
        with pytest.raises(SizeError, match="3 rows"):
            poller.poll_into(interface=memory)
        assert poller.poll().interface["web", "net9"].state == "unsupported"
    assert repr(poller) == "<Poller of 0 block devices and 3 interfaces, closed>"


def test_carried_over_rows_must_fit_both_plans(tree: Tree) -> None:
    poller = tree.poller([0, 1])
    with pytest.raises(ValueError, match="1 rows, but 0 entries say which old row each one is"):
        poller.replan([], nics([0]), [], [])
    with pytest.raises(ValueError, match="no row 2 to carry over: there are 2"):
        poller.replan(disks([0]), [], [2], [])
    assert poller.poll().interface.devices == ("net0", "net1")
    poller.close()
    with pytest.raises(ValueError, match="closed"):
        poller.replan([], [], [], [])


def test_a_poller_can_be_more_than_one(tree: Tree) -> None:
    class Counting(Poller):
        replans = 0

    with Counting(Roots(tree.root), [], nics([0])) as poller:
        poller.replan([], nics([1]), [], [None])
        poller.replans += 1
        assert (poller.poll().interface[0].rx_bytes, poller.replans) == (100, 1)


def test_eight_threads_poll_while_plans_change(tree: Tree) -> None:
    held = descriptors()
    plans = random.Random(1)
    stop, raised = threading.Event(), []
    polls = [0] * 8
    poller = tree.poller([0])
    replans = 0

    def run(number: int) -> None:
        last: Sample | None = None
        try:
            while not stop.is_set():
                sample = poller.poll()
                check_whole(sample)
                if last is not None and last.interface.devices == sample.interface.devices:
                    sample.rates(last)
                last = sample
                polls[number] += 1
        except BaseException as error:
            raised.append(error)

    def check_whole(sample: Sample) -> None:
        # The plan's number is its domain's name: both tables, all rows.
        assert len({*sample.interface.domains, *sample.block.domains}) == 1
        assert [device[4:] for device in sample.block.devices] == [device[3:] for device in sample.interface.devices]
        for device, nic, disk in zip(sample.interface.devices, sample.interface, sample.block, strict=True):
            assert (nic.state, disk.state) == ("ok", "ok")
            assert nic.rx_bytes == 100 * int(device[3:])
            assert disk.rd_req == int(device[3:])

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(polls))]
    for thread in threads:
        thread.start()
    old, most = [0], 0
    while replans < 500 and not raised:
        new = plans.sample(range(tree.count), plans.randint(1, 8))
        name = f"plan{replans}"
        poller.replan(disks(new, name), nics(new, name), carried_over(old, new), carried_over(old, new))
        old = new
        replans += 1
        most = max(most, descriptors())
    stop.set()
    for thread in threads:
        thread.join()
    poller.close()
    if raised:
        raise raised[0]
    assert min(polls) > 0
    assert descriptors() == held
    # Nine plans at most are open at once: each has a file a disk, and the table of the interfaces.
    assert most < held + 9 * 12


def test_a_poller_that_is_closed_stays_closed(tree: Tree) -> None:
    held = descriptors()
    for _ in range(50):
        poller = tree.poller([0, 1])
        closing = threading.Thread(target=poller.close)
        closing.start()
        with suppress(ValueError):  # closed before it began
            change(poller, [0, 1], [1, 2])
        closing.join()
        assert poller.closed
    assert descriptors() == held
