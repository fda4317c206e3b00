"""What counts each device, and the reason where nothing does."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from testkit.this_host import this_host
from vmiostat import Disk, Domain, Interface, Roots
from vmiostat.counter_sources import BlockDevice, NetDevice
from vmiostat.model import Process
from vmiostat.qemu_stats.selection import QemuStats
from vmiostat.resolve import resolve
from vmiostat.resolve.disk import is_served_by_qemu

Tree = Callable[..., Roots]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    def make(links: dict[str, str] | None = None, /, **files: str) -> Roots:
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for name, target in (links or {}).items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(target)
        return Roots(tmp_path)

    return make


def disk_of(disk: Disk, roots: Roots, kind: str = "kvm") -> Disk:
    return resolve(Domain("web1", id=1, type=kind, disks=(disk,)), roots).disks[0]


def nic_of(nic: Interface, roots: Roots, *, number: int | None = 1) -> Interface:
    return resolve(Domain("web1", id=number, type="kvm", interfaces=(nic,)), roots).interfaces[0]


def test_a_block_device_is_found_by_where_its_links_lead(tree: Tree) -> None:
    roots = tree(
        {"dev/disk/by-id/wwn-1": "../../mapper/vg-a", "dev/mapper/vg-a": "../dm-3"},
        **{"sys__class__block__dm-3__dev": "253:3\n", "dev__dm-3": "", "sys__class__block__vda__dev": "254:0\n"},
    )
    for source in ("/dev/disk/by-id/wwn-1", "/dev/mapper/vg-a", "/dev/dm-3"):
        found = disk_of(Disk("vda", source=source), roots)
        assert (found.counter_source, found.reason) == (BlockDevice(253, 3), "")


def test_the_guest_s_name_is_never_looked_up(tree: Tree) -> None:
    """Hosts have a /dev/vda of their own."""
    roots = tree(sys__class__block__vda__dev="254:0\n", dev__vda="")
    found = disk_of(Disk("vda", source="/dev/gone"), roots)
    assert found.counter_source is None
    assert found.reason == "/dev/gone cannot be opened: No such file or directory"


def test_this_machine_s_own_disks_by_their_nodes() -> None:
    roots = Roots()
    for disk in this_host().disks:
        assert disk_of(Disk("xyz", source=disk.source), roots).counter_source == disk.counter_source
    assert disk_of(Disk("vda", source="/dev/null"), roots).reason == "/dev/null is not a block device"


def test_counters_that_are_off_say_so(tree: Tree) -> None:
    roots = tree(
        {"sys/dev/block/8:1": "../../devices/sda/sda1"},
        sys__class__block__sda1__dev="8:1\n",
        sys__devices__sda__queue__iostats="0\n",
        sys__devices__sda__sda1__partition="1\n",
        dev__sda1="",
    )
    found = disk_of(Disk("vda", source="/dev/sda1"), roots)
    assert found.counter_source == BlockDevice(8, 1)
    assert "counters are off" in found.reason
    assert "iostats is 0" in found.reason


@pytest.mark.parametrize(
    ("release", "queues", "stops"), [("6.1.0", False, False), ("6.1.0", True, True), ("6.12.95", False, True)]
)
def test_bio_based_device_mapper_counts_on_before_linux_6_3(
    release: str, queues: bool, stops: bool, tree: Tree
) -> None:
    files = {
        "sys__class__block__dm-0__dev": "253:0\n",
        "sys__dev__block__253:0__queue__iostats": "0\n",
        "sys__dev__block__253:0__dm__name": "vg-a\n",
        "proc__sys__kernel__osrelease": f"{release}-amd64\n",
        "dev__dm-0": "",
    }
    if queues:
        files["sys__dev__block__253:0__mq__0__cpu_list"] = "0\n"
    found = disk_of(Disk("vda", source="/dev/dm-0"), tree(**files))
    assert found.counter_source == BlockDevice(253, 0)
    assert ("counters are off" in found.reason) == stops


def nvme(counts: str, of_a_path: str) -> dict[str, str]:
    """A disk with two paths, one of which has been used."""
    folder = "sys__devices__virtual__nvme1n1"
    return {
        "sys__class__block__nvme1n1__dev": "259:2\n",
        f"{folder}__stat": f"{counts}\n",
        f"{folder}__queue__iostats": "1\n",
        f"{folder}__nvme1n1p1__partition": "1\n",
        "sys__block__nvme1c1n1__stat": "0 0 0 0\n",
        "sys__block__nvme1c2n1__stat": f"{of_a_path}\n",
        "sys__block__nvme0n1__stat": "9 9 9 9\n",
        "dev__nvme1n1": "",
    }


@pytest.mark.parametrize("number", ["259:2", "259:3"])
def test_a_multipath_nvme_disk_that_only_its_paths_count(number: str, tree: Tree) -> None:
    """Before Linux 6.4; a partition's counters are 0, too."""
    links = {
        "sys/dev/block/259:2": "../../devices/virtual/nvme1n1",
        "sys/dev/block/259:3": "../../devices/virtual/nvme1n1/nvme1n1p1",
    }
    files = nvme("0 0 0 0", "131 0 257 0") | {"sys__class__block__nvme1n1__dev": f"{number}\n"}
    found = disk_of(Disk("vda", source="/dev/nvme1n1"), tree(links, **files))
    assert found.counter_source is None
    assert "/sys/block/nvme1c1n1/stat, " in found.reason
    assert "/sys/block/nvme1c2n1/stat;" in found.reason
    assert "write 1" not in found.reason
    assert "queries QEMU" in found.reason


def test_a_multipath_nvme_disk_that_is_counted(tree: Tree) -> None:
    links = {"sys/dev/block/259:2": "../../devices/virtual/nvme1n1"}
    found = disk_of(Disk("vda", source="/dev/nvme1n1"), tree(links, **nvme("3 0 24 1", "3 0 24 1")))
    assert (found.counter_source, found.reason) == (BlockDevice(259, 2), "")


@pytest.mark.parametrize("kind", ["file", "dir", "network", "volume", "nvme", "vhostuser", "vhostvdpa", "unheard-of"])
def test_every_other_disk_has_a_reason(kind: str, tree: Tree) -> None:
    found = disk_of(Disk("vda", type=kind, source="there"), tree())
    assert found.counter_source is None
    assert len(found.reason) > 20


@pytest.mark.parametrize(
    ("disk", "kind", "queried"),
    [
        (Disk("vda", type="file", source="/a.qcow2"), "kvm", True),
        (Disk("vda", type="network", source="rbd:pool/a"), "qemu", True),
        (Disk("vda", type="volume", source="pool/a"), "kvm", True),
        (Disk("vda", type="vhostuser", source="/run/a.sock"), "kvm", False),
        (Disk("vda", type="file", source="/a.raw", driver="firecracker"), "kvm", False),
        (Disk("sda", type="file", source="/a.vhdx"), "hyperv", False),
        (Disk("/", type="file", source="/a.img", device="filesystem"), "lxc", False),
    ],
)
def test_the_reason_says_whether_qemu_can_be_queried(disk: Disk, kind: str, queried: bool, tree: Tree) -> None:
    found = disk_of(disk, tree(), kind)
    assert found.reason.endswith("; --qemu-interval or Host.poller(qemu_interval=...) queries QEMU") == queried


@pytest.mark.parametrize("driver", ["cloud-hypervisor", "firecracker", "crosvm"])
def test_no_query_of_qemu_is_promised_for_another_vmm(driver: str, tree: Tree) -> None:
    disk = Disk("vda", type="file", source="/a.raw", driver=driver)
    domain = Domain("web1", id=1, type="kvm", process=Process(os.getpid()), disks=(disk,))
    assert not is_served_by_qemu(disk, domain)
    stats = QemuStats(tree(), 1.0)
    try:
        assert stats.attach([domain]) == [domain]
    finally:
        stats.close()


@pytest.mark.parametrize(
    ("disk", "reason"),
    [
        (Disk("vda", type="holographic"), "of the unknown type 'holographic'"),
        (Disk("vda", type="quorum", source="/dev/a, /dev/b"), "QEMU keeps copies of it (/dev/a, /dev/b)"),
        (Disk("vda", type="file"), "its definition names no storage"),
        (Disk("sda", type="block", device="cdrom"), "an empty drive"),
    ],
)
def test_only_a_drive_can_be_empty(disk: Disk, reason: str, tree: Tree) -> None:
    assert disk_of(disk, tree()).reason.startswith(reason)


def test_the_devices_of_a_stopped_domain_say_that_it_does_not_run(tree: Tree) -> None:
    roots = tree(sys__class__block__sdb__dev="8:16\n", dev__sdb="", proc__net__dev=NET_DEV)
    domain = Domain("web1", type="kvm", disks=(Disk("vda", source="/dev/sdb"),), interfaces=(Interface("vnet0"),))
    stopped, running = resolve(domain, roots), resolve(replace(domain, id=1), roots)
    assert stopped.disks[0].counter_source == BlockDevice(8, 16)
    assert stopped.interfaces[0].counter_source == NetDevice("vnet0")
    assert "the domain is not running" in stopped.disks[0].reason
    assert "the domain is not running" in stopped.interfaces[0].reason
    assert (running.disks[0].reason, running.interfaces[0].reason) == ("", "")


def test_an_empty_drive(tree: Tree) -> None:
    assert disk_of(Disk("sda", type="file", device="cdrom"), tree()).reason == "an empty drive"


NET_DEV = "Inter-|\n face |\n  vnet0: " + " ".join(["0"] * 16) + "\n"


@pytest.mark.parametrize(
    ("kind", "swapped"), [("bridge", True), ("network", True), ("ethernet", True), ("direct", False)]
)
def test_an_interface_by_its_live_name(kind: str, swapped: bool, tree: Tree) -> None:
    roots = tree(proc__net__dev=NET_DEV)
    found = nic_of(Interface("vnet0", type=kind), roots)
    assert (found.counter_source, found.swap_rx_tx, found.reason) == (NetDevice("vnet0"), swapped, "")
    assert found.rx_tx_view


def test_an_absent_interface_gets_a_counter_source(tree: Tree) -> None:
    found = nic_of(Interface("vnet1"), tree(proc__net__dev=NET_DEV))
    assert found.counter_source == NetDevice("vnet1")
    assert "the host has no interface 'vnet1'" in found.reason


def test_a_macvtap_that_libvirt_does_not_manage(tree: Tree) -> None:
    roots = tree(proc__net__dev=NET_DEV, sys__class__net__vnet0__tap7__dev="1:1\n")
    swapped = {
        managed: nic_of(Interface("vnet0", type="ethernet", managed=managed), roots).swap_rx_tx
        for managed in (True, False)
    }
    assert swapped == {True: True, False: False}
    assert not nic_of(Interface("vnet0", type="network"), roots).swap_rx_tx


@pytest.mark.parametrize(
    "kind", ["user", "vhostuser", "hostdev", "vdpa", "server", "client", "mcast", "udp", "null", "vds"]
)
def test_an_interface_that_the_kernel_does_not_see(kind: str, tree: Tree) -> None:
    found = nic_of(Interface("vnet0", type=kind), tree(proc__net__dev=NET_DEV))
    assert found.counter_source is None
    assert len(found.reason) > 20


def test_a_stored_definition_names_no_interface(tree: Tree) -> None:
    found = nic_of(Interface("52:54:00:00:00:01"), tree(proc__net__dev=NET_DEV), number=None)
    assert found.counter_source is None
    assert "not running" in found.reason


@pytest.mark.parametrize(
    "target", ["..", ".", "../../../proc/net", "a/b", "a b", "sixteen-letters!", "größer-als-vier"]
)
def test_an_impossible_name_is_never_looked_up(target: str, tree: Tree) -> None:
    found = nic_of(Interface(target), tree(proc__net__dev=NET_DEV, sys__class__macvtap__tap1=""))
    assert found.counter_source is None
    assert repr(target) in found.reason


def test_an_old_kernel_s_name_with_a_colon(tree: Tree) -> None:
    roots = tree(proc__net__dev=NET_DEV.replace("vnet0", "br0:30"))
    assert nic_of(Interface("br0:30"), roots).counter_source == NetDevice("br0:30")


def test_a_macvtap_by_its_folder(tree: Tree) -> None:
    roots = tree(proc__net__dev=NET_DEV, sys__class__net__vnet0__macvtap__tap7__dev="1:1\n")
    found = nic_of(Interface("vnet0", type="ethernet", managed=False), roots)
    assert not found.swap_rx_tx
    assert "macvtap" in found.rx_tx_view


@pytest.mark.parametrize("child", ["tun_flags", "tap", "tapestry", "queues"])
def test_a_tap_is_no_macvtap(child: str, tree: Tree) -> None:
    roots = tree(**{"proc__net__dev": NET_DEV, f"sys__class__net__vnet0__{child}": "1"})
    assert nic_of(Interface("vnet0", type="ethernet", managed=False), roots).swap_rx_tx


def test_a_long_alternative_name_is_not_called_impossible_for_the_kernel(tree: Tree) -> None:
    found = nic_of(Interface("an-alternative-name"), tree(proc__net__dev=NET_DEV))
    assert "an alternative name (ip link property) is not looked up" in found.reason


def test_a_vhost_user_card_of_passt_asks_no_switch(tree: Tree) -> None:
    found = nic_of(Interface("a", type="vhostuser", source="passt"), tree(proc__net__dev=NET_DEV))
    assert "connections of passt" in found.reason
    assert "ovs-vsctl" not in found.reason


def test_the_reason_names_passt(tree: Tree) -> None:
    found = nic_of(Interface("52:54:00:00:00:01", type="user", source="passt"), tree(proc__net__dev=NET_DEV))
    assert "passt" in found.reason


def test_what_discovery_has_set_is_kept(tree: Tree) -> None:
    nic = Interface("eth0", type="hostdev", reason="moved into the container")
    assert nic_of(nic, tree(proc__net__dev=NET_DEV)) == nic
    own = Interface("vnet0", swap_rx_tx=False, rx_tx_view="in its own direction")
    found = nic_of(own, tree())
    assert (found.swap_rx_tx, found.rx_tx_view) == (False, "in its own direction")


def test_interfaces_that_cannot_be_listed_say_so(tree: Tree) -> None:
    found = nic_of(Interface("vnet0"), tree(sys__x=""))
    assert found.counter_source is None
    assert "cannot be read" in found.reason


def test_only_files_below_dev_are_opened(tree: Tree) -> None:
    """Others may be on a file system that hangs."""
    roots = tree(sys__class__block__loop7__dev="7:7\n", dev__loop7="", srv__loop7="")
    assert disk_of(Disk("vda", type="file", source="/dev/loop7"), roots).counter_source == BlockDevice(7, 7)
    assert disk_of(Disk("vda", type="file", source="/srv/loop7"), roots).counter_source is None


@pytest.mark.parametrize("kind", ["mount", "bind", "template", "ram", "file", "volume", "unheard-of"])
def test_a_container_s_file_systems_have_a_reason(kind: str, tree: Tree) -> None:
    found = disk_of(Disk("/", type=kind, device="filesystem"), tree(), "lxc")
    assert found.counter_source is None
    assert len(found.reason) > 20
    assert "None" not in found.reason
