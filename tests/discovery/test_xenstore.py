"""Domains from xenstore: that of a real dom0 (fixtures/xen-4.17-real), served by a fake daemon."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.fakes.xenstored import FakeXenstored, listed, running
from testkit.fixture_trees import XEN
from testkit.targets import targets
from vmiostat import Disk, Host, Interface, NoCounters, Roots
from vmiostat.discovery.provider import Found, ScanContext
from vmiostat.discovery.xen.xenstore import Xenstore

TREE = XEN / "instant-1"
STORE = listed(XEN / "xenstore-ls.txt")
VM1, VM2, LV1 = (
    "f20369c5-70cd-439b-9be4-c5446656b0fe",
    "d52278ff-baf0-43f8-92fd-23b2f757b30a",
    "7f1c0a52-7a4e-4d0b-9a55-6a0f0e5f2a01",
)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeXenstored]:
    with running(tmp_path, dict(STORE)) as daemon:
        yield daemon


@pytest.fixture
def roots(tmp_path: Path, daemon: FakeXenstored) -> Roots:
    return Roots(TREE, run=tmp_path / "run")


@pytest.fixture
def host(tmp_path: Path, daemon: FakeXenstored) -> Host:
    return Host(TREE, run=tmp_path / "run")


def test_names_uuids_and_every_device(host: Host) -> None:
    found = {(domain.name, domain.id, domain.uuid): domain for domain in host.domains()}
    assert {key: (targets(domain.disks), targets(domain.interfaces)) for key, domain in found.items()} == {
        ("vm1", 1, VM1): (["xvda", "xvdb"], ["vif1.0", "lan-vm1"]),
        ("vm2", 2, VM2): (["sdd", "hdc", "xvda", "xvdaa"], ["vif2.0", "vif2.1"]),
        ("lv1", 3, LV1): (["xvda", "xvdb", "xvdc"], ["vif3.0"]),
    }
    assert host.problems == ()
    assert {domain.provider for domain in found.values()} == {Xenstore.name}


def test_the_storage_of_a_disk_and_the_bridge_of_an_interface(roots: Roots) -> None:
    _, vm1, vm2, _ = Xenstore().scan(ScanContext(roots)).domains
    assert vm1.disks[0] == Disk("xvda", "block", source="/dev/loop1", driver="phy")
    assert vm2.disks[2] == Disk("xvda", "file", source="/srv/lab/vm2-a.qcow2", driver="qemu")
    assert vm1.interfaces[1] == Interface("lan-vm1", "ethernet", mac="00:16:3e:00:01:01", source="xenbr1")


def test_counters_under_the_configured_name(host: Host) -> None:
    assert host.domain("vm2").block_stats("hdc").v1 == (116, 7417856, 92, 6029312, 0)
    assert host.domain(VM1).interface_stats("lan-vm1").v1 == (100476, 184, 0, 0, 98004, 185, 0, 0)
    with pytest.raises(NoCounters, match=r"its backend is QEMU \(qdisk-2-51712\)"):
        host.domain("vm2").block_stats("xvda")


def test_a_qdisk_whose_guest_is_not_connected_says_so(daemon: FakeXenstored, host: Host) -> None:
    daemon.store["/local/domain/0/backend/qdisk/2/51712/state"] = "5"
    xvda = next(disk for disk in host.domain("vm2").disks if disk.target == "xvda")
    assert "its backend is QEMU (qdisk-2-51712), in state Closing: the guest is not connected" in xvda.reason


@pytest.mark.parametrize(
    ("dev", "target"),
    [("d1p0", "d1p0"), ("51728", "51728"), ("/dev/xvdb", "xvdb"), ("xvdc", "xvdb"), ("", "xvdb"), ("../x", "xvdb")],
)
def test_the_configured_name_is_kept_if_it_has_the_number(
    daemon: FakeXenstored, host: Host, dev: str, target: str
) -> None:
    daemon.store["/local/domain/0/backend/vbd/1/51728/dev"] = dev
    assert targets(host.domain("vm1").disks) == ["xvda", target]
    assert host.domain("vm1").block_stats(target).rd_req == 311


def test_a_cdrom_and_an_empty_one(daemon: FakeXenstored, roots: Roots) -> None:
    path = "/local/domain/0/backend/qdisk/2/5696"
    daemon.store |= {f"{path}/dev": "hdd", f"{path}/params": "", f"{path}/device-type": "cdrom"}
    assert Xenstore().scan(ScanContext(roots)).domains[2].disks[2] == Disk("hdd", "file", device="cdrom", driver="qemu")


def test_an_interface_in_another_network_namespace_has_its_configured_name(daemon: FakeXenstored, roots: Roots) -> None:
    path = "/local/domain/0/backend/vif/1/2"
    daemon.store |= {f"{path}/vifname": "dmz", f"{path}/mac": "00:16:3e:00:01:02"}
    assert targets(Xenstore().scan(ScanContext(roots)).domains[1].interfaces) == [
        "vif1.0",
        "lan-vm1",
        "dmz",
    ]
    del daemon.store[f"{path}/vifname"]
    assert Xenstore().scan(ScanContext(roots)).domains[1].interfaces[2].target == "vif1.2"


def test_a_driver_domain_s_devices_say_which_domain_serves_them(daemon: FakeXenstored, host: Host) -> None:
    daemon.store |= {
        "/local/domain/5/name": "storage",
        "/local/domain/5/backend/vbd/1/51744/dev": "xvdc",
        "/local/domain/5/backend/vbd/1/51744/params": "/dev/vg/c",
        "/local/domain/6/backend/vif/1/3/mac": "00:16:3e:00:01:03",
        "/libxl/1/device/vbd/51712/backend": "/local/domain/0/backend/vbd/1/51712",
        "/libxl/1/device/vbd/51744/backend": "/local/domain/5/backend/vbd/1/51744",
        "/libxl/1/device/vif/3/backend": "/local/domain/6/backend/vif/1/3",
    }
    vm1 = host.domain("vm1")
    assert (targets(vm1.disks), targets(vm1.interfaces)) == (["xvda", "xvdb", "xvdc"], ["vif1.0", "lan-vm1", "vif1.3"])
    assert vm1.disks[2].source == "/dev/vg/c"
    with pytest.raises(NoCounters, match=r"its backend is in domain 'storage' \(id 5\), a driver domain"):
        vm1.block_stats("xvdc")
    with pytest.raises(NoCounters, match=r"its backend is in domain 'Domain-6' \(id 6\)"):
        vm1.interface_stats("vif1.3")
    assert vm1.interfaces[2].mac == "00:16:3e:00:01:03"


def test_a_guest_is_believed_only_about_its_own_devices(daemon: FakeXenstored, roots: Roots) -> None:
    """Without /libxl, as under xapi, there is only the frontend's entry, which the guest can write."""
    device = "/local/domain/1/device/vbd"
    daemon.store |= {
        f"{device}/51744/backend": "/local/domain/5/backend/vbd/1/51744",
        f"{device}/51760/backend": "/local/domain/5/backend/vbd/2/51760",
        f"{device}/51776/backend": "/local/domain/5/backend/console/1/51776",
        f"{device}/51792/backend": "/local/domain/0/backend/vbd/1/51792",
        f"{device}/51808/backend": "../../../vm",
        f"{device}/51824/backend": "x" * 4096,
        f"{device}/many/backend": "/local/domain/5/backend/vbd/1/51744",
        f"{device}/{'9' * 2000}/backend": "/local/domain/5/backend/vbd/1/51744",
    }
    assert targets(Xenstore().scan(ScanContext(roots)).domains[1].disks) == ["xvda", "xvdb", "xvdc"]


def test_what_else_is_in_xenstore_is_no_domain(daemon: FakeXenstored, roots: Roots) -> None:
    daemon.store |= {
        "/local/domain/x/name": "x",
        "/local/domain/-1/name": "minus",
        "/local/domain/0/backend/vbd/x/1/dev": "xvda",
        "/local/domain/0/backend/vbd/1/x/dev": "xvda",
        "/local/domain/0/backend/vbd/77/51712/dev": "xvda",  # left over
        "/local/domain/8/vm": "/vm/none",  # has no name yet
        "/local/domain/9/vm": "/vm/ea1b1a9e-0000-4000-8000-000000000009-1",
    }
    found = [(domain.id, domain.name, domain.uuid) for domain in Xenstore().scan(ScanContext(roots)).domains]
    assert found[4:] == [(8, "Domain-8", None), (9, "Domain-9", "ea1b1a9e-0000-4000-8000-000000000009")]


def test_a_list_that_is_too_long_is_a_problem_of_its_own(daemon: FakeXenstored, roots: Roots) -> None:
    daemon.has_parts = False
    daemon.store |= {f"/local/domain/1/device/vbd/{'9' * 100}{number}/backend": "" for number in range(100)}
    found = Xenstore().scan(ScanContext(roots))
    assert [domain.name for domain in found.domains] == ["Domain-0", "vm1", "vm2", "lv1"]
    assert "the list of /local/domain/1/device/vbd is too long for this xenstore to send" in str(found.problems[0])


def test_dom0_is_a_domain_only_where_it_has_a_disk(daemon: FakeXenstored, host: Host) -> None:
    assert 0 not in [domain.id for domain in host.domains()]
    daemon.store["/local/domain/0/backend/vbd/0/51712/dev"] = "xvda"
    assert targets(host.domain(0).disks) == ["xvda"]


def test_a_dom0_without_guests_is_a_host_like_any_other(tmp_path: Path) -> None:
    folder = tmp_path / "run/libvirt/libxl"
    folder.mkdir(parents=True)
    (folder / "Domain-0.xml").write_text(
        "<domstatus state='running' pid='0'><domain type='xen' id='0'><name>Domain-0</name></domain></domstatus>"
    )
    with running(tmp_path, {"/local/domain/0/name": "Domain-0"}):
        (host,) = Host(TREE, sys=tmp_path, run=tmp_path / "run").domains()
    assert (host.name, host.type) == ("host", "host")
    assert "xenbr0" in targets(host.interfaces)


def test_blkback_takes_precedence_over_a_stale_backend(daemon: FakeXenstored, roots: Roots) -> None:
    daemon.store["/local/domain/0/backend/tap/1/51712/params"] = "aio:/old"
    assert Xenstore().scan(ScanContext(roots)).domains[1].disks[0].driver == "phy"


def test_a_stopped_daemon_leaves_the_devices_or_its_last_answer(
    daemon: FakeXenstored, host: Host, roots: Roots
) -> None:
    daemon.stopped = True
    began = time.monotonic()
    assert [domain.name for domain in host.domains()] == ["Domain-1", "Domain-2", "Domain-3"]
    assert time.monotonic() - began < 10
    (problem,) = host.problems
    assert "xenstore cannot be queried: it has not answered in 1 s (is xenstored stopped?)" in str(problem)
    assert "domains are named after their ids" in str(problem)
    assert host.domain(1).block_stats("xvda").rd_req == 311

    daemon.stopped = False
    provider = Xenstore()
    first = provider.scan(ScanContext(roots))
    daemon.stopped = True
    last = provider.scan(ScanContext(roots))
    assert last.domains == first.domains
    assert len(first.domains) == 4
    assert "its last answer is kept" in str(last.problems[0])
    daemon.stopped = False
    assert provider.scan(ScanContext(roots)) == first


def test_without_rights_the_problem_says_what_root_gets(
    daemon: FakeXenstored, roots: Roots, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vmiostat.discovery.xen import xenstore_socket
    from vmiostat.errors import SourceError

    def refused(path: str, roots: Roots) -> None:
        raise SourceError(13, "Permission denied", roots.shown(path))

    monkeypatch.setattr(xenstore_socket, "_connected", refused)
    found = Xenstore().scan(ScanContext(roots))
    assert found.domains == ()
    assert "Permission denied; run as root to get the domains' names and UUIDs" in str(found.problems[0])


@pytest.mark.parametrize("linked", [True, False])
def test_the_older_path_of_the_socket_does_not_bypass_a_given_run(tmp_path: Path, linked: bool) -> None:
    """/var/run is a link to /run, except on old systems."""
    machine, given = tmp_path / "machine", tmp_path / "given"
    given.mkdir()
    folder = "run" if linked else "var/run"
    with running(machine / folder.removesuffix("run"), {"/local/domain/7/name": "web1"}):
        if linked:
            (machine / "var").mkdir()
            (machine / "var/run").symlink_to("/run")
        found = Xenstore().scan(ScanContext(Roots(machine, run=given))).domains
        assert [domain.name for domain in found] == ([] if linked else ["web1"])
        assert [domain.name for domain in Xenstore().scan(ScanContext(Roots(machine))).domains] == ["web1"]


def test_no_xenstore_is_no_problem(tmp_path: Path) -> None:
    assert Xenstore().scan(ScanContext(Roots(tmp_path))) == Found()
