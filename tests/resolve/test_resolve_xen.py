"""What counts a Xen domain's devices, by its definition and the machine's backends."""

from pathlib import Path

import pytest

from vmiostat import Disk, Domain, Interface, Roots
from vmiostat.counter_sources import BlockDevice, NetDevice, XenVbd
from vmiostat.resolve import resolve

BUS = "sys/bus/xen-backend/devices"
OLD = "sys/devices/xen-backend"


def disk_of(root: Path, disk: Disk, *, domid: int | None = 5) -> Disk:
    return resolve(Domain("web1", id=domid, type="xen", disks=(disk,)), Roots(root)).disks[0]


def have(root: Path, *folders: str) -> None:
    for folder in folders:
        (root / folder).mkdir(parents=True)


@pytest.mark.parametrize("folder", [BUS, OLD])
@pytest.mark.parametrize("kind", ["vbd", "tap"])
def test_the_backend_s_folder_by_the_disk_s_number(tmp_path: Path, folder: str, kind: str) -> None:
    have(tmp_path, f"{folder}/{kind}-5-5632", f"{folder}/{kind}-55-5632", f"{folder}/{kind}-5-51712")
    found = disk_of(tmp_path, Disk("hdc", source="/dev/vg/a"))
    assert found.counter_source is not None
    assert (str(found.counter_source), found.reason) == (f"{kind}-5-5632", "")


def test_vbd_takes_precedence_over_tap(tmp_path: Path) -> None:
    have(tmp_path, f"{BUS}/tap-5-51712", f"{BUS}/vbd-5-51712")
    assert disk_of(tmp_path, Disk("xvda", source="/dev/vg/a")).counter_source == XenVbd("vbd", 5, 51712)


def test_a_guest_that_is_not_connected_says_so(tmp_path: Path) -> None:
    have(tmp_path, f"{BUS}/vbd-5-768")
    (tmp_path / BUS / "vbd-5-768/state").write_text("InitWait\n")
    found = disk_of(tmp_path, Disk("hda", source="/dev/vg/a"))
    assert found.counter_source == XenVbd("vbd", 5, 768)
    assert "InitWait" in found.reason
    (tmp_path / BUS / "vbd-5-768/state").write_text("Connected\n")
    assert disk_of(tmp_path, Disk("hda", source="/dev/vg/a")).reason == ""


def test_a_qdisk_is_counted_only_where_it_is_a_block_device(tmp_path: Path) -> None:
    have(tmp_path, f"{BUS}/qdisk-5-51712", "sys/class/block/sdb")
    (tmp_path / "sys/class/block/sdb/dev").write_text("8:16\n")
    file = disk_of(tmp_path, Disk("xvda", type="file", source="/srv/a.qcow2", driver="qemu"))
    assert file.counter_source is None
    assert "qdisk-5-51712" in file.reason
    assert "--qemu-interval" in file.reason
    assert disk_of(tmp_path, Disk("xvda", source="/dev/sdb", driver="qemu")).counter_source == BlockDevice(8, 16)


@pytest.mark.parametrize(
    ("disk", "domid", "words"),
    [
        (Disk("xvda", source="/dev/vg/a"), None, "not running"),
        (Disk("xvda", source="/dev/vg/a"), 5, "no backend for it (vbd-5-51712)"),
        (Disk("vda", source="/dev/vg/a"), 5, "no device number for a disk named 'vda'"),
        (Disk("hdc", type="file", device="cdrom"), 5, "an empty drive"),
    ],
)
def test_a_disk_without_a_backend_has_a_reason(tmp_path: Path, disk: Disk, domid: int | None, words: str) -> None:
    found = disk_of(tmp_path, disk, domid=domid)
    assert found.counter_source is None
    assert words in found.reason


def test_a_vif_that_was_renamed_is_found_by_its_backend(tmp_path: Path) -> None:
    have(tmp_path, f"{BUS}/vif-5-0/net/lan", f"{BUS}/vif-5-1/net/vif5.1", f"{BUS}/vif-55-0/net/vif55.0", "proc/net")
    (tmp_path / "proc/net/dev").write_text("\n\n" + "".join(f"{name}: 0\n" for name in ("lan", "vif5.1", "vif55.0")))
    targets = ("vif5.0", "vif5.1", "vif55.1", "vif6.0")
    nics = tuple(Interface(target) for target in targets)
    found = resolve(Domain("web1", id=5, type="xen", interfaces=nics), Roots(tmp_path)).interfaces
    assert [nic.target for nic in found] == ["lan", *targets[1:]]
    assert found[0].counter_source == NetDevice("lan")
    assert found[0].reason == ""
    assert "no interface" in found[3].reason


def test_a_vif_says_that_qemu_emulates_another_interface(tmp_path: Path) -> None:
    have(tmp_path, "proc/net")
    zeros = " ".join(["0"] * 16)
    (tmp_path / "proc/net/dev").write_text(f"Inter-|\n face |\nvif5.0: {zeros}\nvif5.0-emu: {zeros}\n")
    domain = Domain("web1", id=5, type="xen", interfaces=(Interface("vif5.0"),))
    (nic,) = resolve(domain, Roots(tmp_path)).interfaces
    assert nic.counter_source == NetDevice("vif5.0")
    assert "vif5.0-emu" in nic.reason
