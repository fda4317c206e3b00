"""A Xen domain that libvirt runs has the devices in xenstore, since libvirt does not see changes by others."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.fakes.xenstored import FakeXenstored, running
from testkit.targets import targets
from testkit.trees.xen import XenTree
from testkit.until import until
from testkit.watches import NEVER
from vmiostat import Disk, Domain, Host, Interface

UUID = "ea1b1a9e-0000-4000-8000-000000000001"
MAC = "00:16:3e:00:00:0"
BACKENDS = "/local/domain/0/backend"
XVDA, XVDB, XVDC, XVDD = 51712, 51728, 51744, 51760

STATUS = f"""<domstatus state='running' pid='0'><domain type='xen' id='1'><name>lv1</name><uuid>{UUID}</uuid><devices>
  <disk type='file' device='disk'><driver name='phy'/><source file='/srv/a.raw'/><target dev='xvda' bus='xen'/></disk>
  <disk type='block' device='disk'><driver name='phy'/><source dev='/dev/vg/d'/><target dev='xvdd' bus='xen'/></disk>
  <disk type='block' device='disk'><driver name='phy'/><source dev='/dev/vg/c'/><target dev='xvdc' bus='xen'/>
    <backenddomain name='storage'/></disk>
  <interface type='network'><mac address='{MAC}0'/><source network='default'/><target dev='lan'/></interface>
  <interface type='bridge'><mac address='{MAC}1'/><source bridge='br1'/><target dev='vif1.1'/>
    <backenddomain name='net'/></interface>
  <interface type='hostdev'><mac address='{MAC}9'/>
    <source><address type='pci' domain='0x0000' bus='0x03' slot='0x10' function='0x1'/></source></interface>
</devices></domain></domstatus>"""


@pytest.fixture
def tree(tmp_path: Path) -> XenTree:
    """xvdb was attached by xl, xvdd detached; `storage` serves xvdc and `net` vif1.1; QEMU emulates lan-emu."""
    tree = XenTree(tmp_path / "machine")
    tree.domain(1, "lv1", UUID)
    tree.vbd(1, XVDA, "xvda", 100)
    tree.vbd(1, XVDB, "xvdb", 200)
    tree.vif(1, 0, "lan")
    tree.store |= {
        f"{BACKENDS}/vbd/1/{XVDA}/physical-device-path": "/dev/loop1",
        f"{BACKENDS}/vif/1/0/mac": f"{MAC}0",
        f"{BACKENDS}/vif/1/0/vifname": "lan",
        f"{BACKENDS}/vif/1/0/bridge": "virbr0",
        "/local/domain/5/name": "storage",
        f"/local/domain/5/backend/vbd/1/{XVDC}/dev": "xvdc",
        f"/libxl/1/device/vbd/{XVDC}/backend": f"/local/domain/5/backend/vbd/1/{XVDC}",
        "/local/domain/6/name": "net",
        "/local/domain/6/backend/vif/1/1/mac": f"{MAC}1",
        "/libxl/1/device/vif/1/backend": "/local/domain/6/backend/vif/1/1",
    }
    tree.interfaces({"lan": 10, "lan-emu": 20})
    return tree


def libvirt_runs(tree: XenTree) -> None:
    folder = tree.root / "run/libvirt/libxl"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lv1.xml").write_text(STATUS)


@pytest.fixture
def daemon(tree: XenTree) -> Iterator[FakeXenstored]:
    with running(tree.root, tree.store) as daemon:
        yield daemon


def rows(domain: Domain) -> list[tuple[str, str, str]]:
    """Each device: its name, its counter source, or why it has none."""
    devices: list[Disk | Interface] = [*domain.disks, *domain.interfaces]
    return [(device.target, str(device.counter_source), device.reason) for device in devices]


@pytest.mark.usefixtures("daemon")
def test_its_devices_are_the_same_with_libvirt_and_without(tree: XenTree) -> None:
    without = Host(tree.root).domain("lv1")
    libvirt_runs(tree)
    domain = Host(tree.root).domain("lv1")
    assert (without.provider, domain.provider) == ("xenstore", "libvirt-status")
    assert (domain.name, domain.id, domain.uuid) == (without.name, without.id, without.uuid)
    assert targets(domain.disks) == ["xvda", "xvdb", "xvdc"]
    assert targets(domain.interfaces)[:-1] == ["lan", "lan-emu", "vif1.1"]
    assert rows(domain)[:-1] == rows(without)
    assert [domain.block_stats(target).rd_req for target in ("xvda", "xvdb")] == [100, 200]
    assert [domain.interface_stats(target).rx_bytes for target in ("lan", "lan-emu")] == [10, 20]
    assert "in domain 'storage' (id 5), a driver domain" in domain.disks[2].reason
    assert "in domain 'net' (id 6), a driver domain" in domain.interfaces[2].reason


@pytest.mark.usefixtures("daemon")
def test_what_only_libvirt_knows_is_kept(tree: XenTree) -> None:
    libvirt_runs(tree)
    domain = Host(tree.root).domain("lv1")
    assert (domain.disks[0].type, domain.disks[0].source) == ("file", "/srv/a.raw")  # not the loop device
    assert [(nic.type, nic.source) for nic in domain.interfaces[:2]] == [("network", "default")] * 2
    assert (domain.interfaces[-1].type, domain.interfaces[-1].source) == ("hostdev", "0000:03:10.1")


def test_where_xenstore_does_not_answer_libvirt_is_believed(tree: XenTree) -> None:
    libvirt_runs(tree)
    domain = Host(tree.root).domain("lv1")
    assert targets(domain.disks) == ["xvda", "xvdd", "xvdc"]
    assert "no backend" in domain.disks[1].reason
    assert "in domain 'storage', a driver domain" in domain.disks[2].reason
    assert "in domain 'net', a driver domain" in domain.interfaces[1].reason


@pytest.mark.usefixtures("daemon")
def test_another_domain_of_the_same_id_is_another_one(tree: XenTree) -> None:
    """Its file was not removed yet, or libvirt lists another host's domains."""
    libvirt_runs(tree)
    tree.domain(1, "vm1", UUID.replace("1", "2"))
    found = {domain.name: targets(domain.disks) for domain in Host(tree.root).domains()}
    assert found["lv1"] == ["xvda", "xvdd", "xvdc"]


def test_an_interface_with_a_name_of_its_own_is_followed_when_it_is_renamed(
    tree: XenTree, daemon: FakeXenstored
) -> None:
    libvirt_runs(tree)
    with Host(tree.root).follow(interval=NEVER) as poller:
        assert poller.poll().interface["lv1", "lan"].rx_bytes == 10
        tree.vif(1, 0, "dmz")
        tree.interfaces({"dmz": 11})
        daemon.write_event(f"{BACKENDS}/vif/1/0/state")
        until(lambda: "dmz" in poller.poll().interface.devices)
        assert poller.poll().interface["lv1", "dmz"].rx_bytes == 11
        assert "lan" not in poller.poll().interface.devices
