"""Every provider's names are cut by one rule, and no two rows of a domain, or domains, have the same name."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.fakes.xenstored import FakeXenstored
from testkit.trees.libvirt import LibvirtTree
from testkit.trees.processes import ProcessTree
from vmiostat import Disk, Domain, Host, Interface
from vmiostat.discovery.limits import NAME_BYTES, PROBLEM_LETTERS, SOURCE_BYTES, cut_name, cut_problem
from vmiostat.discovery.row_names import with_row_names
from vmiostat.errors import Error

LONG = "é" * 1000
CUT = cut_name(LONG)
CUT_1 = cut_name(f"{LONG}1")


def row_names(host: Host) -> list[tuple[str, str, str]]:
    """Domain, device and table of each row."""
    with host.poller() as poller:
        sample = poller.poll()
    blocks = [(*names, "block") for names in zip(sample.block.domains, sample.block.devices, strict=True)]
    nics = [(*names, "nic") for names in zip(sample.interface.domains, sample.interface.devices, strict=True)]
    return blocks + nics


def libvirt_xml(folder: Path) -> Iterator[Host]:
    devices = [f"<disk><target dev='{LONG}{number}'/></disk>" for number in range(2)]
    devices += [f"<interface type='bridge'><target dev='{LONG}{number}'/></interface>" for number in range(2)]
    for number in range(2):
        text = f"<domain type='kvm'><name>{LONG}{number}</name><devices>{''.join(devices)}</devices></domain>"
        (folder / f"{number}.xml").write_text(text)
    yield Host(folder, xml=folder)


def libvirt_status(folder: Path) -> Iterator[Host]:
    tree = LibvirtTree(folder)
    for number in range(2):
        disks = [f"<disk><target dev='{LONG}{disk}'/></disk>" for disk in range(2)]
        tree.start("a", [f"{LONG}0", f"{LONG}1"], number=number + 1, disks=disks)
        text = (tree.folder / "a.xml").read_text().replace("<name>a<", f"<name>{LONG}{number}<")
        (tree.folder / f"{number}.xml").write_text(text)
        tree.end("a")
    yield Host(folder)


def xl_config(folder: Path) -> Iterator[Host]:
    for number in range(2):
        vifs = f'["vifname={LONG}0", "vifname={LONG}1"]'
        (folder / f"{number}.cfg").write_text(f'name="{LONG}{number}"\nvif={vifs}\n')
    yield Host(folder, xml=[folder / "0.cfg", folder / "1.cfg"])


def xl_list(folder: Path) -> Iterator[Host]:
    nics = [{"ifname": f"{LONG}{number}"} for number in range(2)]
    configs = [{"c_info": {"name": f"{LONG}{number}"}, "nics": nics} for number in range(2)]
    domains = [{"domid": number, "config": config} for number, config in enumerate(configs, 1)]
    (folder / "list").write_text(json.dumps(domains))
    yield Host(folder, xml=folder / "list")


def xenstore(folder: Path) -> Iterator[Host]:
    store = {}
    for number in range(2):
        store[f"/local/domain/{number + 1}/name"] = f"{LONG}{number}"
        for vif in range(2):
            store[f"/local/domain/0/backend/vif/{number + 1}/{vif}/vifname"] = f"{LONG}{vif}"
    xenstored = FakeXenstored(folder / "run", store)
    try:
        yield Host(folder)
    finally:
        xenstored.close()


def command_line(folder: Path) -> Iterator[Host]:
    tree = ProcessTree(folder)
    for number in range(2):
        words = [word for drive in range(2) for word in ("-drive", f"file=/a,id={LONG}{drive}")]
        words += [word for card in range(2) for word in ("-netdev", f"user,id={LONG}{card}")]
        tree.process(500 + number, ["kvm", "-name", f"{LONG}{number}", *words])
    yield Host(folder)


@pytest.mark.parametrize("provider", [libvirt_xml, libvirt_status, xl_config, xl_list, xenstore, command_line])
def test_the_names_of_every_provider_are_cut_and_stay_different(provider: object, tmp_path: Path) -> None:
    assert callable(provider)
    for host in provider(tmp_path):
        names = row_names(host)
        assert len(set(names)) == len(names)
        assert {name for name, _, _ in names} == {cut_name(f"{LONG}{number}") for number in range(2)}
        assert len({device for _, device, _ in names} - {"total"}) == 2
        assert max(len(name.encode()) for pair in names for name in pair[:2]) <= NAME_BYTES
        assert host.problems
        assert max(len(str(problem)) for problem in host.problems) < PROBLEM_LETTERS
        assert host.domain(f"{LONG}1").name == CUT_1


def test_two_devices_of_one_name() -> None:
    disks = (Disk("total"), Disk("a"), Disk("a"), Disk("a#2"), Disk(""), Disk("?"), Disk(LONG), Disk(CUT))
    interfaces = (Interface("total"), Interface("a"), Interface("a"))
    named = with_row_names(Domain("x", disks=disks, interfaces=interfaces))
    targets = [disk.target for disk in named.disks]
    assert targets[:7] == ["total#2", "a", "a#2", "a#2#2", "?", "?#2", CUT]
    assert len(set(targets)) == len(targets)
    assert max(len(target.encode()) for target in targets) <= NAME_BYTES
    assert [nic.target for nic in named.interfaces] == ["total", "a", "a#2"]


def test_a_second_pass_changes_nothing() -> None:
    named = with_row_names(Domain(LONG, disks=tuple(map(Disk, [LONG, CUT, CUT, "a", "a", "total"]))))
    assert with_row_names(named) is named


def test_a_disk_of_the_name_of_the_total_is_another_row(tmp_path: Path) -> None:
    tree = ProcessTree(tmp_path)
    tree.process(500, ["kvm", "-name", "a", "-drive", "file=/a,id=total"])
    assert row_names(Host(tmp_path)) == [("a", "total#2", "block"), ("a", "total", "block")]


def test_two_vifs_of_one_name(tmp_path: Path) -> None:
    (tmp_path / "a.cfg").write_text('name="a"\nvif=["vifname=x", "vifname=x"]\n')
    host = Host(tmp_path, xml=tmp_path / "a.cfg")
    assert row_names(host) == [("a", "x", "nic"), ("a", "x#2", "nic")]
    assert "two devices have the same one" in str(host.problems[0])


def test_a_long_source_and_a_long_problem_are_cut() -> None:
    named = with_row_names(Domain("a", disks=(Disk("a", source="/" * 10_000),)))
    assert len(str(named.disks[0].source)) == SOURCE_BYTES
    assert len(str(cut_problem(Error("x" * 10_000)))) == PROBLEM_LETTERS + len("...")
