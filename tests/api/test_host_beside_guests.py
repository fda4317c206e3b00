"""The host's own devices as the domain `host`: with host=True, and where there are no guests."""

import itertools
import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from testkit.command import started, vmiostat
from testkit.targets import targets
from testkit.trees.libvirt import LibvirtTree
from testkit.until import until
from testkit.watches import NEVER
from vmiostat import Domain, Host, Poller

STAT = "{0} 0 {0} 0 {0} 0 {0} 0 0 0 0 0 0 0 0 0 0\n"
HOST = {("host", "eth0"): 5, ("host", "vnet0"): 7, ("host", "sda"): 3}
WEB1 = {("web1", "vnet0"): 7}


@pytest.fixture
def tree(tmp_path: Path) -> LibvirtTree:
    """An interface of the host's own, a tap, and a disk; a guest has to be started."""
    tree = LibvirtTree(tmp_path / "machine")
    tree.folder.mkdir(parents=True)
    tree.interfaces({"eth0": 5, "vnet0": 7})
    for folder in (tree.root / "sys/block/sda", tree.root / "sys/dev/block/8:0"):
        folder.mkdir(parents=True)
        for name, text in (("dev", "8:0\n"), ("size", "1000\n"), ("stat", STAT.format(3))):
            (folder / name).write_text(text)
    return tree


def names(domains: Iterable[Domain]) -> list[str]:
    return [domain.name for domain in domains]


def rows(poller: Poller) -> dict[tuple[str, str], int]:
    """rx_packets, or rd_req, of each row that has counters."""
    block, interface = poller.poll().block, poller.poll().interface
    nics = zip(interface.domains, interface.devices, interface, strict=True)
    disks = zip(block.domains, block.devices, block, strict=True)
    found = {(domain, device): stats.rx_packets for domain, device, stats in nics}
    return found | {(domain, device): stats.rd_req for domain, device, stats in disks if stats.state == "ok"}


def test_it_is_a_domain_on_request(tree: LibvirtTree) -> None:
    tree.start("web1", ["vnet0"])
    host = Host(tree.root)
    assert names(host.domains()) == ["web1"]
    itself, web1 = host.domains(host=True)
    assert [itself, web1] == [itself, *host.domains()]
    assert (itself.name, targets(itself.disks), targets(itself.interfaces)) == ("host", ["sda"], ["eth0", "vnet0"])
    with host.poller() as poller:
        assert rows(poller) == WEB1
    with host.poller(host=True) as poller:
        assert rows(poller) == HOST | WEB1
        assert poller.domains == (itself, web1)
    tree.end("web1")
    assert host.domains() == host.domains(host=True) == [itself]


def test_it_is_added_to_given_domains(tree: LibvirtTree) -> None:
    tree.start("web1", ["vnet0"])
    tree.start("db1", ["vnet0"], number=2)
    host = Host(tree.root)
    with host.poller([host.domain("web1")], host=True) as poller:
        assert names(poller.domains) == ["host", "web1"]
    with host.poller(host.domains(host=True)[:1], host=True) as poller:
        assert names(poller.domains) == ["host"]


def test_it_is_added_to_given_definitions(tree: LibvirtTree, tmp_path: Path) -> None:
    file = tmp_path / "web1.xml"
    file.write_text("<domain type='kvm'><name>web1</name></domain>")
    host = Host(tree.root, xml=file)
    assert names(host.domains()) == ["web1"]
    assert names(host.domains(host=True)) == ["host", "web1"]
    file.write_text("no definition")
    assert names(host.domains()) == []
    assert names(host.domains(host=True)) == ["host"]
    assert len(host.problems) == 1


def test_a_guest_of_the_same_name_is_renamed(tree: LibvirtTree) -> None:
    tree.start("host", ["vnet0"], number=77)
    host = Host(tree.root)
    assert names(host.domains()) == ["host"]
    assert host.domains()[0].type == "kvm"
    assert [(domain.name, domain.type) for domain in host.domains(host=True)] == [("host", "host"), ("host@77", "kvm")]


def test_guests_that_start_or_end_leave_its_rows(tree: LibvirtTree) -> None:
    tree.start("web1", ["vnet0"])
    with Host(tree.root).follow(host=True, interval=NEVER) as poller:
        assert rows(poller) == HOST | WEB1
        before = poller.poll()
        tree.start("db1", number=2)
        until(lambda: names(poller.domains) == ["host", "db1", "web1"])
        tree.end("db1")
        tree.end("web1")
        until(lambda: names(poller.domains) == ["host"])
        assert rows(poller) == HOST
        tree.start("web1", ["vnet0"])
        until(lambda: names(poller.domains) == ["host", "web1"])
        assert rows(poller) == HOST | WEB1
        rates = poller.poll().rates(before)
        assert {rates.interface["host", name].state for name in ("eth0", "vnet0")} == {"ok"}
        assert rates.block["host", "sda"].state == "ok"


def test_it_stays_when_the_first_guest_starts(tree: LibvirtTree) -> None:
    with Host(tree.root).follow(interval=NEVER) as poller:
        assert rows(poller) == HOST
        before = poller.poll()
        tree.start("web1", ["vnet0"])
        until(lambda: names(poller.domains) == ["host", "web1"])
        assert rows(poller) == HOST | WEB1
        assert poller.poll().rates(before).interface["host", "eth0"].state == "ok"


def test_it_appears_when_the_last_guest_ends_and_stays(tree: LibvirtTree) -> None:
    tree.start("web1", ["vnet0"])
    with Host(tree.root).follow(interval=NEVER) as poller:
        assert rows(poller) == WEB1
        tree.end("web1")
        until(lambda: names(poller.domains) == ["host"])
        tree.start("web1", ["vnet0"])
        until(lambda: names(poller.domains) == ["host", "web1"])


def test_select_can_leave_it_out(tree: LibvirtTree) -> None:
    with Host(tree.root).follow(
        interval=NEVER, select=lambda domain: None if domain.type == "host" else domain
    ) as poller:
        assert rows(poller) == {}
        tree.start("web1", ["vnet0"])
        until(lambda: rows(poller) == WEB1)


def test_a_watch_has_it_too(tree: LibvirtTree) -> None:
    tree.start("web1", ["vnet0"])
    with Host(tree.root).watch(NEVER, host=True) as watch:
        assert watch.wait(timeout=10)
        assert names(watch.domains) == ["host", "web1"]
        tree.end("web1")
        until(lambda: names(watch.domains) == ["host"])
    with Host(tree.root).watch(NEVER) as watch:
        assert watch.wait(timeout=10)
        tree.start("web1", ["vnet0"])
        until(lambda: names(watch.domains) == ["host", "web1"])


def test_the_option_of_the_command(tree: LibvirtTree) -> None:
    def reported(*options: str) -> set[tuple[str, str]]:
        report = json.loads(vmiostat("--root", tree.root, "--json", *options))
        return {(row["domain"], row["device"]) for kind in ("block", "interface") for row in report.get(kind, ())}

    tree.start("web1", ["vnet0"])
    assert reported() == set(WEB1)
    assert reported("--host") == {*HOST, *WEB1}
    assert reported("--host", "-b") == {("host", "sda")}
    assert described(tree) == ["web1"]
    assert described(tree, "--host") == ["host", "web1"]


def described(tree: LibvirtTree, *options: str) -> list[str]:
    lines = vmiostat("devices", "--root", tree.root, "--json", *options).splitlines()
    return [json.loads(line)["domain"] for line in lines]


@pytest.mark.parametrize("option", ["--host", "--interface"])
def test_reports_keep_it_when_a_guest_starts(option: str, tree: LibvirtTree) -> None:
    """Without the option, too, where the first report has it."""
    with started("--root", tree.root, "--json", option, "0.1") as process:
        assert process.stdout is not None
        reports = map(json.loads, process.stdout)
        devices = ({row["domain"] for row in report["interface"]} for report in reports)
        assert next(devices) == {"host"}
        tree.start("web1", ["vnet0"])
        assert next(seen for seen in itertools.islice(devices, 100) if "web1" in seen) == {"host", "web1"}
        tree.end("web1")
        assert next(seen for seen in itertools.islice(devices, 100) if "web1" not in seen) == {"host"}
        process.terminate()
        process.communicate()
