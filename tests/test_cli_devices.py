"""`vmiostat devices`: where counters come from, or why not."""

import json
import shutil
from pathlib import Path
from typing import Any

from tests.command import XEN, vmiostat
from vmiostat import Host


def explained(*arguments: str | Path) -> dict[str, dict[str, Any]]:
    return {
        domain["domain"]: domain for domain in map(json.loads, vmiostat("devices", "--json", *arguments).splitlines())
    }


def test_each_device_has_a_source_or_a_reason() -> None:
    found = explained("--root", XEN)
    assert list(found) == [domain.name for domain in Host(XEN).domains()]
    disks = [disk for domain in found.values() for disk in domain["block"]]
    assert sorted(disk["counters"] for disk in disks if disk["counters"]) == sorted(
        path.name for path in (XEN / "sys/devices").glob("vbd-*")
    )
    for device in disks + [nic for domain in found.values() for nic in domain["interface"]]:
        assert device["counters"] or device["reason"]
        assert device["state"] == ("ok" if device["counters"] else "unsupported")


def test_the_direction_is_told() -> None:
    for options, swapped in ([], True), (["--view", "host"], False):
        nics = [nic for domain in explained("--root", XEN, *options).values() for nic in domain["interface"]]
        assert len(nics) == 5
        assert {nic["swapped"] for nic in nics} == {swapped}
        assert all(nic["direction"] for nic in nics)


def test_people_read_the_same() -> None:
    text = vmiostat("devices", "--root", XEN)
    for domain in Host(XEN).domains():
        paragraph = next(part for part in text.split("\n\n") if part.startswith(f"{domain.name} ("))
        for disk in domain.disks:
            assert f"  {disk.target} " in paragraph
            assert (f"counters: {disk.counters}" if disk.counters else disk.reason) in paragraph
    assert "swapped: " in text


def test_one_kind_alone() -> None:
    assert all(not domain["block"] for domain in explained("--root", XEN, "-i").values())
    assert all(not domain["interface"] for domain in explained("--root", XEN, "-b").values())


def test_a_device_whose_counters_cannot_be_read_now_says_so(tmp_path: Path) -> None:
    shutil.copytree(XEN, tmp_path / "xen", symlinks=True)
    (tmp_path / "xen/sys/devices/vbd-1-51712/statistics/rd_sect").write_text("many\n")
    disks = [disk for domain in explained("--root", tmp_path / "xen").values() for disk in domain["block"]]
    (bad,) = [disk for disk in disks if disk["counters"] == "vbd-1-51712"]
    assert bad["state"] == "unreadable"
    assert "vbd-1-51712/statistics: " in bad["problem"]
    assert "unreadable now: " in vmiostat("devices", "--root", tmp_path / "xen")
