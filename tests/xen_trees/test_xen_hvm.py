"""An HVM guest without Xen's drivers, from a real host (fixtures/xen-4.17-real/hvm-no-pv-drivers)."""

import shutil
from pathlib import Path

import pytest

from testkit.fixture_trees import XEN
from testkit.targets import targets
from testkit.trees.xen import XenTree
from vmiostat import Host

CAPTURE = XEN / "hvm-no-pv-drivers"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    tree = XenTree(tmp_path)
    shutil.copyfile(CAPTURE / "proc-net-dev.hvm-no-pv-drivers.txt", tmp_path / "proc/net/dev")
    for line in (CAPTURE / "vbd.hvm-no-pv-drivers.txt").read_text().splitlines():
        path, _, text = line.partition(":")
        file = tree.folder(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")
    tree.vif(4, 0, "vif4.0")
    shown = tmp_path / "sys/class/net/vif4.0"
    shown.mkdir(parents=True)
    (shown / "device").symlink_to("../../../bus/xen-backend/devices/vif-4-0")
    return Host(tmp_path)


def test_what_qemu_emulates_is_a_row_of_its_own(host: Host) -> None:
    (domain,) = host.domains()
    assert (domain.id, targets(domain.disks), targets(domain.interfaces)) == (4, ["hda"], ["vif4.0", "vif4.0-emu"])
    assert domain.interface_stats("vif4.0-emu").v1 == (53434, 93, 0, 0, 54020, 100, 0, 0)
    assert domain.interface_stats("vif4.0").v1 == (0,) * 8
    assert all(nic.swap_rx_tx for nic in domain.interfaces)
    assert [nic.reason for nic in domain.interfaces] == [
        "its backend is in state InitWait: the guest is not connected to it",
        "",
    ]


def test_an_emulated_disk_is_counted_nowhere_and_says_so(host: Host) -> None:
    (hda,) = host.domain(4).disks
    assert host.domain(4).block_stats("hda").v1 == (0,) * 5
    assert hda.reason == "its backend is in state InitWait: the guest is not connected to it"


def test_an_emulated_interface_is_never_taken_for_the_vif(host: Host, tmp_path: Path) -> None:
    """While the vif is being set up, and when its drivers have taken QEMU's away."""
    dev = tmp_path / "proc/net/dev"
    both = dev.read_text().splitlines(keepends=True)
    dev.write_text("".join(line for line in both if "vif4.0:" not in line))
    with host.poller() as poller:
        rows = poller.poll().interface
        assert [(name, row.state) for name, row in zip(rows.devices, rows, strict=True)] == [
            ("vif4.0", "gone"),
            ("vif4.0-emu", "ok"),
        ]
        dev.write_text("".join(line for line in both if "vif4.0-emu:" not in line))
        assert [row.state for row in poller.poll().interface] == ["ok", "gone"]
    assert targets(host.domain(4).interfaces) == ["vif4.0"]


@pytest.mark.parametrize("emulated", ["lan-web1-emu", "tap4.0"])
def test_the_other_names_of_what_qemu_emulates(tmp_path: Path, emulated: str) -> None:
    tree = XenTree(tmp_path)
    tree.vif(4, 0, "lan-web1")
    tree.interfaces({"lan-web1": 1, emulated: 2, "tap4.00": 3, "tap14.0": 4, "vif4.0-emu2": 5})
    assert targets(Host(tmp_path).domain(4).interfaces) == ["lan-web1", emulated]
