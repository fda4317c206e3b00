"""Which rows a report has, in which order, and under which names."""

import csv
import io
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from testkit.command import XEN, vmiostat
from testkit.trees.libvirt import LibvirtTree
from vmiostat import Host
from vmiostat.cli.choose.order import order
from vmiostat.cli.choose.words import split
from vmiostat.cli.rows import BLOCK, Row


def names(*arguments: str | Path, kind: str = "block") -> list[tuple[str, str]]:
    """The domain and device of each row."""
    line = vmiostat("--root", XEN, "--json", *arguments).splitlines()[-1]
    return [(row["domain"], row["device"]) for row in json.loads(line)[kind]]


def rows(*arguments: str | Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(vmiostat("--root", XEN, "--csv", *arguments))))


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ([], ((), None, None)),
        (["2"], ((), 2.0, None)),
        (["2", "3"], ((), 2.0, 3)),
        (["web1", "2", "3"], (("web1",), 2.0, 3)),
        (["100", "101", "2", "3"], (("100", "101"), 2.0, 3)),
        (["100", "web1"], (("100", "web1"), None, None)),
        (["5e-324", "9223372036854775808"], ((), 1e-9, 2**63 - 1)),
    ],
)
def test_words(words: list[str], meaning: tuple[object, ...]) -> None:
    found = split(words)
    assert (found.domains, found.interval, found.count) == meaning


def test_options_stand_anywhere() -> None:
    assert len(vmiostat("--root", XEN, "0.05", "--json", "2").splitlines()) == 2
    assert len(vmiostat("-y", "0.05", "--root", XEN, "-b", "2", "--csv", "-z").splitlines()) == 1 + 2 * 3


@pytest.mark.parametrize("interval", [[], ["0.05", "1"]])
def test_domains_and_devices_are_chosen(interval: list[str]) -> None:
    every = names(*interval)
    assert {domain for domain, _ in every} == {"Domain-1", "Domain-2", "Domain-3"}
    assert names("Domain-2", *interval) == [pair for pair in every if pair[0] == "Domain-2"]
    assert names("*-[13]", *interval) == [pair for pair in every if pair[0] != "Domain-2"]
    assert names("Domain-1", "Domain-3", *interval) == names("*-[13]", *interval)
    assert names("--device", "xvda*", *interval) == [pair for pair in every if pair[1].startswith("xvda")]
    left = [pair for pair in every if pair[0] != "Domain-1" and pair[1] != "hdc"]
    assert names("--exclude", "Domain-1", "--exclude", "h?c", *interval) == left


def test_the_host_is_beside_the_domains_that_are_chosen(tmp_path: Path) -> None:
    tree = LibvirtTree(tmp_path / "machine")
    tree.interfaces({"eth0": 1, "vnet0": 10, "vnet1": 20})
    (tree.root / "sys/class/block").mkdir(parents=True)
    for number, name in enumerate(["web1", "web2"]):
        tree.start(name, [f"vnet{number}"], number=number + 1)
    for interval in ([], ["0.05", "1"]):
        text = vmiostat("--root", tree.root, "--json", "--host", "web2", *interval)
        assert [row["domain"] for row in json.loads(text)["interface"]] == ["host"] * 3 + ["web2"]


def test_devices_are_chosen_as_reports_are() -> None:
    text = vmiostat("devices", "--root", XEN, "Domain-2", "--device", "sdd", "--json")
    (domain,) = map(json.loads, text.splitlines())
    assert [disk["device"] for disk in domain["block"]] == ["sdd"]
    assert domain["interface"] == []


def test_a_uuid_and_a_name_with_the_marks_of_a_glob(tmp_path: Path) -> None:
    for name, uuid in (("web[1]", "8f3c2a10-0000-4000-8000-000000000001"), ("web1", "")):
        (tmp_path / f"{name}.xml").write_text(
            f"<domain type='kvm' id='1'><name>{name}</name><uuid>{uuid}</uuid><devices>"
            "<interface type='bridge'><target dev='lo'/></interface></devices></domain>"
        )
    for word in ("8F3C2A10-0000-4000-8000-000000000001", "web[1]"):
        found = json.loads(vmiostat("--json", "--xml", tmp_path, word))["interface"]
        assert "web[1]" in [row["domain"] for row in found]


def test_rows_are_sorted_and_limited() -> None:
    def written(*options: str) -> list[int]:
        return [int(row["wr_bytes"]) for row in rows("-b", *options, "0.05", "1") if row["wr_bytes"]]

    assert len(set(written())) > 2
    # A captured tree stands still: its rates of intervals are 0, and those since boot unknown.
    devices = [row["device"] for row in rows("-b", "--sort", "device")]
    assert devices == sorted(devices)
    assert [row["device"] for row in rows("-b", "--sort", "-device")] == sorted(devices, reverse=True)
    assert [row["domain"] for row in rows("-b", "--sort", "-domain", "--limit", "1")] == ["Domain-3"]


def test_the_highest_rate_comes_first_and_what_is_unknown_last() -> None:
    def row(rate: float | None) -> Row:
        rates: Any = SimpleNamespace(wr_bytes=rate)
        return Row("web1", str(rate), "disk", rates, rates)

    made = [row(rate) for rate in (2.0, None, 3.0, 1.0)]
    for text in ("wr_bytes", "wkB/s", "wr_bytes/s"):
        assert [row.device for row in order(text, None)(BLOCK, made)] == ["3.0", "2.0", "1.0", "None"]
    assert [row.device for row in order("-wkB/s", 2)(BLOCK, made)] == ["1.0", "2.0"]
    assert order("rx_bytes", None)(BLOCK, made) == made


def test_sums() -> None:
    every = [row for row in rows() if row["kind"] != "total"]
    summed = rows("--sum")
    assert [(row["domain"], row["kind"]) for row in summed] == [(f"Domain-{n}", "sum") for n in (1, 2, 3)] * 2
    for row in summed:
        field = "rx_bytes" if "interface" in row["device"] else "rd_bytes"
        its = [int(one[field]) for one in every if one["domain"] == row["domain"] and one[field]]
        assert int(row[field]) == sum(its) > 0
    assert [row["device"] for row in summed] == [
        *("0 of 2 disks", "0 of 4 disks", "0 of 3 disks"),  # since boot, which is not known here
        *("0 of 2 interfaces", "0 of 2 interfaces", "0 of 1 interface"),
    ]
    assert [row["device"] for row in rows("--sum", "-y", "0.05", "1")] == [
        *("2 disks", "3 of 4 disks", "1 of 3 disks"),
        *("2 interfaces", "2 interfaces", "1 interface"),
    ]


def domain_xml(name: str, title: str, nova: str) -> str:
    metadata = (
        "<metadata><nova:instance xmlns:nova='http://openstack.org/xmlns/libvirt/nova/1.1'>"
        f"<nova:name>{nova}</nova:name></nova:instance></metadata>"
    )
    return (
        f"<domain type='kvm' id='1'><name>{name}</name>{f'<title>{title}</title>' * bool(title)}{metadata * bool(nova)}"
        "<devices><interface type='bridge'><target dev='lo'/></interface></devices></domain>"
    )


def test_names(tmp_path: Path) -> None:
    domains = [
        ("instance-1", "Front", "shop"),
        ("instance-2", "", "shop"),
        ("instance-3", "Back", ""),
        ("web1", "", ""),
    ]
    for name, title, nova in domains:
        (tmp_path / f"{name}.xml").write_text(domain_xml(name, title, nova))
    assert [(d.name, d.title or "", d.nova_name or "") for d in Host(xml=tmp_path).domains()] == domains

    def shown(names: str) -> list[str]:
        lines = vmiostat("-i", "--xml", tmp_path, "--names", names).splitlines()
        return [line.partition(" lo ")[0].strip() for line in lines if " lo " in line]

    assert shown("libvirt") == ["instance-1", "instance-2", "instance-3", "web1"]
    assert shown("title") == ["Front", "instance-2", "Back", "web1"]
    assert shown("nova") == ["shop (instance-1)", "shop (instance-2)", "instance-3", "web1"]
    assert shown("auto") == ["shop (instance-1)", "shop (instance-2)", "Back", "web1"]
    found = json.loads(vmiostat("-i", "--json", "--xml", tmp_path))["interface"]
    assert [(row["domain"], row["title"] or "", row["nova_name"] or "") for row in found] == domains


def test_a_vm_is_averaged_since_its_own_start(tmp_path: Path) -> None:
    tree = LibvirtTree(tmp_path / "machine")
    tree.interfaces({"vnet0": 1_000_000})
    tree.start("web1", ["vnet0"], pid=4000)
    tree.process(4000, started=900 * os.sysconf("SC_CLK_TCK"))
    (tree.root / "proc/uptime").write_text("1000.00 1.00\n")
    lived = 100
    (row,) = json.loads(vmiostat("--root", tree.root, "-i", "--json"))["interface"]
    assert row["interval"] == pytest.approx(lived, rel=0.05)
    assert row["rates"]["rx_bytes"] == pytest.approx(1_000_000 / lived, rel=0.05)
    assert "(since boot, VMs since their start)" in vmiostat("--root", tree.root, "-i")
