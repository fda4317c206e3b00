"""What happens to guests and their devices while somebody polls: all is seen, and no number is another device's."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.xen import dom0
from tests.xen.followed import Followed, followed
from vmiostat import BlockStats, Host, InterfaceStats

pytestmark = pytest.mark.timeout(600)

BLOCK = 64 << 10
MOST = 4 << 20
"""Bytes: more than any of these tests moves, less than what a number made by mistake would be."""


@pytest.fixture
def seen(host: Host) -> Iterator[Followed]:
    """All that polls see while a test changes something."""
    with followed(host, MOST) as seen:
        yield seen


def write(guest: str, inside: str, blocks: int) -> None:
    """Has a guest write so many blocks to a disk, which may have to come yet."""
    wait = f"until [ -b /dev/{inside} ]; do sleep 0.1; done"
    dom0.guest(guest, f"{wait}; dd if=/dev/zero of=/dev/{inside} bs=64k count={blocks} oflag=direct 2>/dev/null")


def send(guest: str, number: int, pings: int) -> None:
    """Has a guest send so many pings to dom0 through an interface, which may have to come yet."""
    wait = f"until [ -e /sys/class/net/eth{number} ]; do sleep 0.1; done; connect eth{number} 2>/dev/null"
    dom0.guest(guest, f"{wait}; ping -q -c {pings} -s 1000 -i 0.05 10.92.{number}.1 >/dev/null")


def wrote(blocks: int) -> Callable[[BlockStats], bool]:
    return lambda row: row.wr_bytes == blocks * BLOCK


def sent(pings: int) -> Callable[[InterfaceStats], bool]:
    return lambda row: pings < row.tx_packets < pings + 10


def at_the_end(generations: list[list[BlockStats]]) -> list[int]:
    """The blocks that each generation had been written when it was seen last; it may only grow."""
    for rows in generations:
        assert [row.wr_bytes for row in rows] == sorted(row.wr_bytes for row in rows)
    return [rows[-1].wr_bytes // BLOCK for rows in generations]


def test_a_disk_that_comes_again_and_again_is_another_one_each_time(seen: Followed) -> None:
    rounds = [7, 3, 5]
    for blocks in rounds:
        image = Path(f"/srv/lab/hot-{blocks}.raw")
        image.touch()
        os.truncate(image, MOST)
        dom0.xl("block-attach", "vm1", f"{image},raw,xvdf,w")
        write("vm1", "xvdf", blocks)
        seen.wait_for_disk("vm1", "xvdf", wrote(blocks))
        dom0.xl("block-detach", "vm1", "xvdf")
        seen.wait_until_gone("vm1", "xvdf")
    assert at_the_end(seen.disk("vm1", "xvdf")) == rounds


def test_an_interface_that_comes_again_and_again_is_another_one_each_time(seen: Followed) -> None:
    rounds = [30, 10, 20]
    name = f"vif{dom0.domid('vm2')}.2"
    for pings in rounds:
        dom0.xl("network-attach", "vm2", "mac=00:16:3e:92:12:02", "bridge=br2")
        send("vm2", 2, pings)
        seen.wait_for_nic("vm2", name, sent(pings))
        dom0.xl("network-detach", "vm2", 2)
        seen.wait_until_gone("vm2", name)
    generations = seen.nic("vm2", name)
    # Addresses are asked for, too.
    assert [rows[-1].tx_packets // 10 * 10 for rows in generations] == rounds
    for rows in generations:
        assert [row.tx_packets for row in rows] == sorted(row.tx_packets for row in rows)


def test_a_guest_that_is_started_again_has_other_devices(seen: Followed) -> None:
    write("vm2", "xvdc", 9)
    seen.wait_for_disk("vm2", "hdc", lambda row: row.wr_bytes >= 9 * BLOCK)
    was = dom0.domid("vm2")
    dom0.xl("destroy", "vm2")
    seen.wait_until_gone("vm2", "hdc")
    seen.wait_until_gone("vm2", f"vif{was}.0")
    dom0.xl("create", "-q", "/run/lab/vm2.cfg")
    dom0.wait_for_guest("vm2")
    write("vm2", "xvdc", 2)
    send("vm2", 0, 10)
    seen.wait_for_disk("vm2", "hdc", wrote(2))
    seen.wait_for_nic("vm2", f"vif{was + 1}.0", sent(10))
    before, after = at_the_end(seen.disk("vm2", "hdc"))
    assert (before >= 9, after) == (True, 2)


def test_a_guest_that_is_saved_and_restored_goes_on_with_other_devices(seen: Followed, tmp_path: Path) -> None:
    write("vm1", "xvdb", 5)
    seen.wait_for_disk("vm1", "xvdb", lambda row: row.wr_bytes >= 5 * BLOCK)
    was = dom0.domid("vm1")
    image = Path("/srv/lab/vm1.saved")
    dom0.xl("save", "vm1", image)
    seen.wait_until_gone("vm1", "xvdb")
    dom0.xl("restore", image)
    image.unlink()
    dom0.wait_for_guest("vm1")
    assert dom0.domid("vm1") != was
    write("vm1", "xvdb", 3)
    # The guest's own counters go on.
    assert int(dom0.guest("vm1", "cat /sys/block/xvdb/stat").split()[6]) * 512 >= 8 * BLOCK
    seen.wait_for_disk("vm1", "xvdb", wrote(3))
    assert len(seen.disk("vm1", "xvdb")) == 2
    # Who names an interface himself has it back under its name.
    send("vm1", 1, 10)
    seen.wait_for_nic("vm1", "lan-vm1", sent(10))
    assert len(seen.nic("vm1", "lan-vm1")) == 2


def test_an_interface_that_is_renamed_is_known_by_its_new_name(seen: Followed) -> None:
    old = f"vif{dom0.domid('lv1')}.0"
    send("lv1", 0, 20)
    seen.wait_for_nic("lv1", old, lambda row: row.tx_packets > 20)
    for before, after in ((old, "lan-lv1"), ("lan-lv1", old)):
        sent_before = seen.nic("lv1", before)[-1][-1].tx_packets
        for words in (("down",), ("name", after), ("up",)):
            dom0.run("ip", "link", "set", after if words == ("up",) else before, *words)
        seen.wait_until_gone("lv1", before)
        send("lv1", 0, 10)
        seen.wait_for_nic("lv1", after, lambda row: row.tx_packets >= sent_before + 10)  # noqa: B023


def test_a_frontend_that_is_unbound_and_bound_again_starts_from_nothing(seen: Followed) -> None:
    write("vm1", "xvdb", 5)
    seen.wait_for_disk("vm1", "xvdb", lambda row: row.wr_bytes >= 5 * BLOCK)
    dom0.guest("vm1", "echo vbd-51728 > /sys/bus/xen/drivers/vbd/unbind")
    seen.wait_for_disk("vm1", "xvdb", wrote(0))
    dom0.guest("vm1", "echo vbd-51728 > /sys/bus/xen/drivers/vbd/bind")
    write("vm1", "xvdb", 2)
    seen.wait_for_disk("vm1", "xvdb", wrote(2))
    dom0.guest("vm1", "echo vif-1 > /sys/bus/xen/drivers/vif/unbind")
    seen.wait_for_nic("vm1", "lan-vm1", lambda row: row.tx_packets == 0)
    dom0.guest("vm1", "echo vif-1 > /sys/bus/xen/drivers/vif/bind")
    send("vm1", 1, 10)
    seen.wait_for_nic("vm1", "lan-vm1", sent(10))
