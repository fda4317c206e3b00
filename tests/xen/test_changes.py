"""What happens to guests and their devices while somebody polls: all is seen, and no number is another device's."""

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.xen import dom0
from tests.xen.followed import Followed, followed
from vmiostat import BlockStats, Host, InterfaceStats

pytestmark = pytest.mark.timeout(600)

BLOCK = 64 << 10
MOST = 4 << 20
"""Bytes: more than any of these tests moves, less than what a number made by mistake would be."""


@pytest.fixture(autouse=True, scope="module")
def restarted() -> Iterator[None]:
    """Restarts vm1 afterwards: what was restored or unbound goes on counting while the host starts again at 0."""
    yield
    dom0.xl("destroy", "vm1")
    dom0.xl("create", "-q", "/run/lab/vm1.cfg")
    dom0.wait_for_guest("vm1")


@pytest.fixture
def seen(host: Host) -> Iterator[Followed]:
    """All that polls see while a test changes something."""
    with followed(host, MOST) as seen:
        yield seen


def write(guest: str, inside: str, blocks: int) -> None:
    """Has a guest write so many blocks to a disk, which may have to come yet."""
    dd = f"dd if=/dev/zero of=/dev/{inside} bs=64k count={blocks} oflag=direct 2>/dev/null"
    dom0.guest(guest, f"await /dev/{inside} && {dd}")


def send(guest: str, number: int, pings: int) -> None:
    """Has a guest send so many pings to dom0 through an interface, which may have to come yet."""
    ping = f"ping -q -c {pings} -s 1000 -i 0.05 10.92.{number}.1 >/dev/null"
    dom0.guest(guest, f"await /sys/class/net/eth{number} && {{ connect eth{number} 2>/dev/null; {ping}; }}")


def wrote(blocks: int) -> Callable[[BlockStats], bool]:
    return lambda row: row.wr_bytes == blocks * BLOCK


def sent(pings: int) -> Callable[[InterfaceStats], bool]:
    """Addresses are asked for, too."""
    return lambda row: pings < row.tx_packets < pings + 10


def most(counted: Iterable[int]) -> int:
    """The greatest number. They only grow, but start again when the guest disconnects, also before a device goes."""
    numbers = list(counted)
    assert all(after >= before or after == 0 for before, after in pairwise(numbers)), numbers
    return max(numbers)


def blocks_of(generations: list[list[BlockStats]]) -> list[int]:
    """The blocks that were written in each generation."""
    return [most(row.wr_bytes for row in rows) // BLOCK for rows in generations]


def tens_of_packets_of(generations: list[list[InterfaceStats]]) -> list[int]:
    return [most(row.tx_packets for row in rows) // 10 for rows in generations]


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
    assert blocks_of(seen.disk("vm1", "xvdf")) == rounds


def test_an_interface_that_comes_again_and_again_is_another_one_each_time(seen: Followed) -> None:
    rounds = [20, 10]
    name = f"vif{dom0.domid('vm2')}.2"
    for pings in rounds:
        dom0.xl("network-attach", "vm2", "mac=00:16:3e:92:12:02", "bridge=br2")
        send("vm2", 2, pings)
        seen.wait_for_nic("vm2", name, sent(pings))
        dom0.xl("network-detach", "vm2", 2)
        seen.wait_until_gone("vm2", name)
    assert [10 * tens for tens in tens_of_packets_of(seen.nic("vm2", name))] == rounds


def test_a_guest_that_is_started_again_has_other_devices(seen: Followed) -> None:
    write("vm2", "xvdc", 9)
    seen.wait_for_disk("vm2", "hdc", lambda row: row.wr_bytes >= 9 * BLOCK)
    was = dom0.domid("vm2")
    dom0.xl("destroy", "vm2")
    for target in ("hdc", f"vif{was}.0", f"vif{was}.1"):
        seen.wait_until_gone("vm2", target)
    dom0.xl("create", "-q", "/run/lab/vm2.cfg")
    dom0.wait_for_guest("vm2")
    write("vm2", "xvdc", 2)
    send("vm2", 0, 10)
    seen.wait_for_disk("vm2", "hdc", wrote(2))
    seen.wait_for_nic("vm2", f"vif{dom0.domid('vm2')}.0", sent(10))
    before, after = blocks_of(seen.disk("vm2", "hdc"))
    assert before >= 9
    assert after == 2


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


@pytest.mark.parametrize("guest", ["vm2", "lv1"])
def test_an_interface_that_is_renamed_is_known_by_its_new_name(seen: Followed, guest: str) -> None:
    first = f"vif{dom0.domid(guest)}.0"
    names = (first, "lan", first)
    send(guest, 0, 10)
    seen.wait_for_nic(guest, first, lambda row: row.tx_packets > 10)
    for old, new in pairwise(names):
        before = seen.nic(guest, old)[-1][-1].tx_packets
        dom0.rename(old, new)
        seen.wait_until_gone(guest, old)
        send(guest, 0, 10)
        seen.wait_for_nic(guest, new, lambda row, before=before: row.tx_packets >= before + 10)  # type: ignore[misc]


def test_a_guest_of_libvirt_s_has_what_xl_attaches(seen: Followed) -> None:
    image = Path("/srv/lab/hot-lv1.raw")
    image.touch()
    os.truncate(image, MOST)
    dom0.xl("block-attach", "lv1", f"{image},raw,xvdf,w")
    write("lv1", "xvdf", 6)
    seen.wait_for_disk("lv1", "xvdf", wrote(6))
    assert "xvdf" not in dom0.virsh("domblklist", "lv1")
    dom0.xl("block-detach", "lv1", "xvdf")
    seen.wait_until_gone("lv1", "xvdf")


def test_an_interface_with_a_name_of_its_own_in_a_guest_of_libvirt_s(seen: Followed, tmp_path: Path) -> None:
    definition = tmp_path / "nic.xml"
    definition.write_text(
        "<interface type='bridge'><mac address='00:16:3e:92:21:01'/><source bridge='br1'/><target dev='lan-lv1'/>"
        "</interface>"
    )
    dom0.virsh("attach-device", "lv1", definition, "--live")
    send("lv1", 1, 10)
    seen.wait_for_nic("lv1", "lan-lv1", sent(10))
    # Its name is not its number: only xenstore tells whose it is when libvirt's name of it is no more.
    for old, new in pairwise(("lan-lv1", "dmz-lv1", "lan-lv1")):
        before = seen.nic("lv1", old)[-1][-1].tx_packets
        dom0.rename(old, new)
        seen.wait_until_gone("lv1", old)
        send("lv1", 1, 10)
        seen.wait_for_nic("lv1", new, lambda row, before=before: row.tx_packets >= before + 10)  # type: ignore[misc]
    dom0.virsh("detach-device", "lv1", definition, "--live")
    seen.wait_until_gone("lv1", "lan-lv1")


def test_a_guest_that_is_renamed_keeps_its_devices(seen: Followed) -> None:
    write("vm2", "xvdd", 4)
    seen.wait_for_disk("vm2", "sdd", lambda row: row.wr_bytes >= 4 * BLOCK)
    before = seen.disk("vm2", "sdd")[-1][-1]
    dom0.xl("rename", "vm2", "vm3")
    try:
        seen.wait_for_disk("vm3", "sdd", lambda row: True)
    finally:
        dom0.xl("rename", "vm3", "vm2")
    after = seen.disk("vm3", "sdd")[0][0]
    assert (after.generation, after.wr_bytes) == (before.generation, before.wr_bytes)
    seen.wait_for_disk("vm2", "sdd", lambda row: True)


def test_a_disk_whose_frontend_is_unbound_starts_from_nothing(seen: Followed) -> None:
    write("vm1", "xvdb", 5)
    seen.wait_for_disk("vm1", "xvdb", lambda row: row.wr_bytes >= 5 * BLOCK)
    dom0.guest("vm1", "echo vbd-51728 > /sys/bus/xen/drivers/vbd/unbind")
    seen.wait_for_disk("vm1", "xvdb", wrote(0))
    # Linux's disk driver does not reuse a device that it has closed: another one is needed.
    dom0.xl("block-detach", "vm1", "xvdb")
    seen.wait_until_gone("vm1", "xvdb")
    dom0.xl("block-attach", "vm1", "/srv/lab/vm1-b.raw,raw,xvdb,w")
    write("vm1", "xvdb", 2)
    seen.wait_for_disk("vm1", "xvdb", wrote(2))
    before, after = blocks_of(seen.disk("vm1", "xvdb"))
    assert before >= 5
    assert after == 2


def test_an_interface_whose_frontend_is_unbound_and_bound_again_starts_from_nothing(seen: Followed) -> None:
    send("vm1", 1, 20)
    seen.wait_for_nic("vm1", "lan-vm1", lambda row: row.tx_packets > 20)
    dom0.guest("vm1", "echo vif-1 > /sys/bus/xen/drivers/vif/unbind")
    seen.wait_for_nic("vm1", "lan-vm1", lambda row: row.tx_packets == 0)
    dom0.guest("vm1", "echo vif-1 > /sys/bus/xen/drivers/vif/bind")
    send("vm1", 1, 10)
    seen.wait_for_nic("vm1", "lan-vm1", sent(10))
