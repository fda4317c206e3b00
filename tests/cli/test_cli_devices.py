"""`vmiostat devices`: where counters come from, or why not."""

import json
import shutil
from pathlib import Path
from typing import Any

from testkit.command import XEN, vmiostat
from testkit.trees.qemu import QemuTree
from vmiostat import Host


def explained(*arguments: str | Path) -> dict[str, dict[str, Any]]:
    return {
        domain["domain"]: domain for domain in map(json.loads, vmiostat("devices", "--json", *arguments).splitlines())
    }


def test_each_device_has_a_source_or_a_reason() -> None:
    found = explained("--root", XEN)
    assert list(found) == [domain.name for domain in Host(XEN).domains()]
    disks = [disk for domain in found.values() for disk in domain["block"]]
    assert {disk["kind"] for disk in disks} == {"disk"}
    assert sorted(disk["counter_source"] for disk in disks if disk["counter_source"]) == sorted(
        path.name for path in (XEN / "sys/devices").glob("vbd-*")
    )
    for device in disks + [nic for domain in found.values() for nic in domain["interface"]]:
        assert device["counter_source"] or device["reason"]
        assert device["state"] == ("ok" if device["counter_source"] else "unsupported")


def test_the_view_of_rx_and_tx() -> None:
    for options, swapped in ([], True), (["--view", "host"], False):
        nics = [nic for domain in explained("--root", XEN, *options).values() for nic in domain["interface"]]
        assert len(nics) == 5
        assert {nic["kind"] for nic in nics} == {"interface"}
        assert {nic["swap_rx_tx"] for nic in nics} == {swapped}
        assert all(nic["rx_tx_view"] for nic in nics)


def test_the_text_says_the_same() -> None:
    text = vmiostat("devices", "--root", XEN)
    for domain in Host(XEN).domains():
        paragraph = next(part for part in text.split("\n\n") if part.startswith(f"{domain.name} ("))
        for disk in domain.disks:
            assert f"  {disk.target} " in paragraph
            assert (f"counters: {disk.counter_source}" if disk.counter_source else disk.reason) in paragraph
    assert "swapped: " in text


def test_one_kind_alone() -> None:
    assert all(not domain["block"] for domain in explained("--root", XEN, "-i").values())
    assert all(not domain["interface"] for domain in explained("--root", XEN, "-b").values())


def test_an_interface_that_is_not_there_says_so_once(tmp_path: Path) -> None:
    (tmp_path / "proc/net").mkdir(parents=True)
    (tmp_path / "proc/net/dev").write_text("\n\n")
    (tmp_path / "web1.xml").write_text(
        "<domain type='kvm' id='1'><name>web1</name><devices>"
        "<interface type='bridge'><target dev='vnet7'/></interface></devices></domain>"
    )
    options = ["--root", str(tmp_path), "--xml", str(tmp_path / "web1.xml")]
    shown = " ".join(vmiostat("devices", *options).split())
    assert "counters: interface vnet7 gone now the host has no interface 'vnet7' (/proc/net/dev): " in shown
    assert "No such device" not in shown
    (nic,) = explained(*options)["web1"]["interface"]
    assert nic["problem"] == f"{tmp_path}/proc/net/dev: No such device"


def test_a_device_whose_counters_cannot_be_read_now_says_so(tmp_path: Path) -> None:
    shutil.copytree(XEN, tmp_path / "xen", symlinks=True)
    (tmp_path / "xen/sys/devices/vbd-1-51712/statistics/rd_sect").write_text("many\n")
    disks = [disk for domain in explained("--root", tmp_path / "xen").values() for disk in domain["block"]]
    (bad,) = [disk for disk in disks if disk["counter_source"] == "vbd-1-51712"]
    assert bad["state"] == "unreadable"
    assert "vbd-1-51712/statistics: " in bad["problem"]
    assert "unreadable now: " in vmiostat("devices", "--root", tmp_path / "xen")


def test_devices_query_qemu_as_a_report_does_and_say_why_they_cannot(tmp_path: Path) -> None:
    """In `devices`, JSON and below the table it is the same sentence."""
    machine = QemuTree(tmp_path)
    machine.vm(100, "web1", "")
    options = ["--root", str(machine.root), "--qemu-interval", "1"]
    sentence = "it has no QMP socket for other clients"
    disk = explained(*options)["web1"]["block"][0]
    assert disk["state"] == "unsupported"
    assert sentence in disk["problem"]
    assert sentence in vmiostat("devices", *options)
    row = json.loads(vmiostat("--json", *options))["block"][0]
    assert row["problem"] == disk["problem"]
    assert f"unsupported: web1 {disk['device']}: {disk['problem']}"[:60] in vmiostat(*options)
