"""Domains by the folders of Xen's backends alone, while these come and go."""

from pathlib import Path

import pytest

from testkit.targets import targets
from vmiostat import Host, Roots, SourceError
from vmiostat.discovery.provider import ScanContext
from vmiostat.discovery.xen.sysfs import XenSysfs


def backend(root: Path, name: str, statistics: dict[str, int] | None = None, net: str | None = None) -> None:
    folder = root / "sys/bus/xen-backend/devices" / name
    folder.mkdir(parents=True)
    if statistics is not None:
        (folder / "statistics").mkdir()
        for file, count in statistics.items():
            (folder / "statistics" / file).write_text(f"{count}\n")
    if net is not None:
        (folder / "net" / net).mkdir(parents=True)


def test_other_backends_are_no_devices(tmp_path: Path) -> None:
    for name in ("console-1-0", "vkbd-1-0", "vbd-1-51712", "vbd-x-1", "vbd-1-2-3", "vbd-1", "vif-", "9pfs-2-0"):
        backend(tmp_path, name, {"rd_req": 1})
    found = XenSysfs().scan(ScanContext(Roots(tmp_path)))
    assert len(found.problems) == 1  # there is no /proc/net/dev, which costs no disk
    (domain,) = found.domains
    assert (domain.name, domain.id, targets(domain.disks), targets(domain.interfaces)) == ("Domain-1", 1, ["xvda"], [])


def test_a_vbd_may_be_without_statistics_at_first(tmp_path: Path) -> None:
    backend(tmp_path, "vbd-1-51712")
    with Host(tmp_path).poller() as poller:
        assert poller.poll().block[0].state == "gone"
        assert poller.reopen() == 0
        statistics = tmp_path / "sys/bus/xen-backend/devices/vbd-1-51712/statistics"
        statistics.mkdir()
        (statistics / "rd_req").write_text("7\n")
        assert poller.reopen() == 1
        row = poller.poll().block[0]
    assert (row.state, row.rd_req, row.rd_bytes) == ("ok", 7, -1)


def test_a_vif_s_name_is_the_one_in_its_folder(tmp_path: Path) -> None:
    backend(tmp_path, "vif-1-0", net="lan-web1")
    backend(tmp_path, "vif-1-1")  # not named yet
    (tmp_path / "proc/net").mkdir(parents=True)
    numbers = " ".join(map(str, range(16)))
    lines = "".join(f"{name}: {numbers}\n" for name in ("vif1.0", "lan-web1", "vif1.1-emu"))
    (tmp_path / "proc/net/dev").write_text("Inter-|\n face |\n" + lines)
    domain = Host(tmp_path).domain(1)
    assert targets(domain.interfaces) == ["lan-web1", "vif1.1", "vif1.1-emu"]  # what QEMU emulates has a row of its own
    assert domain.interface_stats("lan-web1").rx_bytes == 8
    with pytest.raises(SourceError, match=r"vif1\.1: No such device"):
        domain.interface_stats("vif1.1")


def test_a_machine_without_xen(tmp_path: Path) -> None:
    (tmp_path / "sys").mkdir()
    found = XenSysfs().scan(ScanContext(Roots(tmp_path)))
    assert (found.domains, found.problems) == ((), ())
