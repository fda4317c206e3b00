"""Host and Domain, on captured machines."""

import errno
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from testkit.targets import targets
from testkit.this_host import this_host
from testkit.two_instants import two_instants
from vmiostat import Domain, Host, NoCounters, SourceError, UnknownDevice, UnknownDomain

CAPTURE = Path("fixtures/xen-4.17-real")
EXPECTED = json.loads((CAPTURE / "expected.json").read_text())["instants"]
SECTOR = 512


def disks_of(domain: dict[str, Any]) -> list[dict[str, Any]]:
    return [disk for disk in domain["disks"] if disk["statistics"]]


@pytest.mark.parametrize("instant", [1, 2])
def test_every_counter_of_a_captured_xen_host(instant: int) -> None:
    root = CAPTURE / f"instant-{instant}"
    host = Host(root=root)
    expected = EXPECTED[instant - 1]["domains"]
    assert [domain.id for domain in host.domains()] == [domain["domid"] for domain in expected]
    for one in expected:
        domain = host.domain(one["domid"])
        assert domain.name == f"Domain-{one['domid']}"
        assert sorted(targets(domain.disks)) == sorted(disk["vdev"] for disk in one["disks"])
        for disk in disks_of(one):
            stats = domain.block_stats(disk["vdev"])
            counted = disk["statistics"]
            assert stats.v1 == (
                counted["rd_req"],
                disk["rd_bytes"],
                counted["wr_req"],
                disk["wr_bytes"],
                counted["oo_req"],
            )
            assert (stats.fl_req, stats.ds_req) == (counted["f_req"], counted["ds_req"])
            folder = root / f"sys/bus/xen-backend/devices/vbd-{one['domid']}-{disk['devid']}/statistics"
            assert int((folder / "rd_sect").read_text()) * SECTOR == stats.rd_bytes
            assert (stats.rd_time, stats.in_flight, stats.ds_bytes) == (-1, -1, -1)
        for nic in one["interfaces"]:
            view = nic["host_view"]
            swapped = tuple(view[name] for name in list(view)[4:] + list(view)[:4])
            assert domain.interface_stats(nic["ifname"]).v1 == swapped
            as_host = Host(root=root, view="host").domain(one["domid"]).interface_stats(nic["ifname"])
            assert as_host.v1 == tuple(view.values())


@pytest.mark.parametrize("instant", [1, 2])
def test_the_same_through_libvirt_s_xml(instant: int) -> None:
    host = Host(root=CAPTURE / f"instant-{instant}", xml=CAPTURE / "libvirt.lv1.xml")
    (domain,) = host.domains()
    by_sysfs = Host(root=CAPTURE / f"instant-{instant}").domain(3)
    assert (domain.name, domain.id, domain.type) == ("lv1", 3, "xen")
    assert domain.block_stats("xvda").v1 == by_sysfs.block_stats("xvda").v1
    assert domain.interface_stats("vif3.0").v1 == by_sysfs.interface_stats("vif3.0").v1
    for target in ("xvdb", "xvdc"):
        with pytest.raises(NoCounters, match=rf"lv1 {target}: .*QEMU"):
            domain.block_stats(target)


def test_rates_between_the_two_instants(tmp_path: Path) -> None:
    """Five seconds of a real host, as two reads of each row."""
    first, second = (instant["domains"][0]["disks"][0]["statistics"] for instant in EXPECTED)
    assert second["rd_req"] - first["rd_req"] == 33
    before, after = two_instants(tmp_path / "root")
    rates = after.rates(before).block["Domain-1", "xvda"]
    assert rates.state == "ok"
    assert rates.interval is not None
    assert rates.rd_req == pytest.approx(33 / rates.interval)


def test_a_domain_by_name_uuid_or_id() -> None:
    host = Host(root=CAPTURE / "instant-1", xml=CAPTURE / "libvirt.lv1.xml")
    uuid = "7f1c0a52-7a4e-4d0b-9a55-6a0f0e5f2a01"
    for which in ("lv1", uuid, uuid.upper(), "3", 3):
        assert host.domain(which).name == "lv1"
    for which in ("lv", "LV1", 4, "4", "", uuid[:-1]):
        with pytest.raises(UnknownDomain, match="there are: lv1"):
            host.domain(which)


def test_an_unknown_device() -> None:
    domain = Host(root=CAPTURE / "instant-1").domain(1)
    with pytest.raises(UnknownDevice, match=r"'Domain-1' has no block device 'xvdc'; there are: xvda, xvdb"):
        domain.block_stats("xvdc")
    with pytest.raises(UnknownDevice, match=r"'Domain-1' has no interface 'vif1'; there are: vif1.0, lan-vm1"):
        domain.interface_stats("vif1")
    with pytest.raises(ValueError, match="made by hand"):
        Domain("web1").block_stats("vda")


def test_a_device_removed_between_discovery_and_the_read(tmp_path: Path) -> None:
    (tmp_path / "proc/net").mkdir(parents=True)
    lines = Path(CAPTURE / "instant-1/proc/net/dev").read_text().splitlines(keepends=True)
    (tmp_path / "proc/net/dev").write_text("".join(lines))
    domain = Host(tmp_path).domain("host")
    (tmp_path / "proc/net/dev").write_text("".join(line for line in lines if "xenbr1" not in line))
    with pytest.raises(SourceError, match="host xenbr1: No such device") as caught:
        domain.interface_stats("xenbr1")
    assert caught.value.filename == str(tmp_path.resolve() / "proc/net/dev")
    assert isinstance(caught.value, OSError)
    (tmp_path / "proc/net/dev").write_text("".join(lines).replace("0\n", "none\n"))
    with pytest.raises(SourceError, match="the device's counters are not numbers"):
        domain.interface_stats("xenbr1")


def test_a_missing_interface_gives_the_likely_reason(tmp_path: Path) -> None:
    (tmp_path / "proc/net").mkdir(parents=True)
    (tmp_path / "proc/net/dev").write_text("\n\n")
    definition = tmp_path / "web1.xml"
    definition.write_text(
        "<domain type='kvm' id='1'><name>web1</name><devices>"
        "<interface type='bridge'><target dev='vnet7'/></interface></devices></domain>"
    )
    domain = Host(tmp_path, xml=definition).domain("web1")
    with pytest.raises(SourceError, match=r"web1 vnet7: No such device; the host has no interface 'vnet7'.*not up yet"):
        domain.interface_stats("vnet7")


def test_the_host_itself_has_the_host_s_direction() -> None:
    domain = this_host()
    stats = domain.interface_stats("lo")
    columns = next(line for line in Path("/proc/net/dev").read_text().splitlines() if line.strip().startswith("lo:"))
    assert stats.rx_errs == int(columns.split()[3])
    assert stats.rx_frame >= 0
    assert not any(nic.swap_rx_tx for nic in domain.interfaces)


def test_slow_imports_wait_for_their_first_use() -> None:
    program = (
        "import sys, vmiostat; before = set(sys.modules); there = {name: getattr(vmiostat, name) for name in "
        "vmiostat.__all__}; print('lxml.etree' in before, 'vmiostat.qemu_stats.query_thread' in before, "
        "len(there) > 30)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False False True\n"


def test_a_root_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file") as caught:
        Host(tmp_path / "nowhere")
    assert caught.value.filename == str(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="'guest' or 'host'"):
        Host(view="mine")  # type: ignore[arg-type]


@pytest.mark.parametrize("domains", ["web1", ["web1"]])
def test_a_poller_s_domains_are_domains(domains: Any) -> None:
    with pytest.raises(TypeError, match="Domain objects, as Host"):
        Host(CAPTURE / "instant-1").poller(domains)


def test_a_block_source_is_one_of_two() -> None:
    with pytest.raises(ValueError, match="'kernel' or 'qemu', not 'x'"):
        Host(CAPTURE / "instant-1").poller(block_source="x", qemu_interval=1.0)  # type: ignore[arg-type]


def test_a_missing_definition_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "web1.xml").write_text("<domain type='kvm'><name>web1</name></domain>")
    missing = tmp_path / "missing"
    for xml in (missing, str(missing), [tmp_path / "web1.xml", missing]):
        with pytest.raises(SourceError, match="No such file") as raised:
            Host(xml=xml)
        assert (raised.value.errno, raised.value.filename) == (errno.ENOENT, str(missing))
    host = Host(xml=iter([tmp_path]))
    assert [domain.name for domain in host.domains()] == ["web1"]
    (tmp_path / "web1.xml").unlink()  # later it is a problem: another writes them
    assert host.domains() == []
    assert host.problems
