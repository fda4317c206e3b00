"""The JSON Schema holds for what `--json` prints, whatever the names are."""

import json
import shutil
from pathlib import Path
from random import Random
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from testkit.command import XEN, vmiostat
from vmiostat import STATES, Disk, Domain, Host, Interface
from vmiostat.cli.records.json_lines import JsonLines
from vmiostat.cli.records.record import Machine
from vmiostat.cli.records.schema import schema
from vmiostat.cli.rows import BLOCK, INTERFACE, Report, Row, Section

VALIDATOR = Draft202012Validator(schema())
CHARACTERS = [*"ab =+-@\"\\'\n\r\t\x00\x1b\x7f…", "\udcff", "\ud800", "\u202e", "\u0301", "\uffff", "한", "数", "😀"]


class Numbers:
    """A row's stats or rates."""

    def __init__(self, section: Section, number: float | None, **others: Any) -> None:
        self.__dict__ |= {field.name: number for field in section.numbers} | others


def made_row(random: Random, section: Section) -> Row:
    def name() -> str:
        return "".join(random.choices(CHARACTERS, k=random.randrange(20)))

    number = random.choice([-1, 0, 7, 2**63 - 1])
    stats: Any = Numbers(section, number, time_ns=number, generation=number)
    rate, interval = random.choice([None, 0.0, 1.5, 1e300]), random.choice([None, 1.0])
    rates: Any = Numbers(section, rate, state=random.choice(STATES), interval=interval)
    owner = Domain(name(), 3, "0" * 8, provider="xml", title=name(), nova_name=random.choice([None, name()]))
    about = Disk("vda") if section is BLOCK else Interface("vnet0", swap_rx_tx=random.choice([True, False]))
    kind = random.choice(["disk", "total", "sum"]) if section is BLOCK else "interface"
    return Row(owner.name, name(), kind, stats, rates, random.choice([owner, None]), about)


def test_a_thousand_reports_of_hostile_names_are_valid() -> None:
    random = Random(16)
    for _ in range(1000):
        rows = {section: [made_row(random, section)] for section in (BLOCK, INTERFACE)}
        line = JsonLines(Machine(random.choice([None, "node\udcff"]), "guest")).report(Report(0.0, False, rows))
        assert line.isascii()
        VALIDATOR.validate(json.loads(line))


@pytest.mark.parametrize("options", [[], ["-b"], ["-i", "--view", "host"], ["--sum"]])
def test_a_real_report_is_valid(options: list[str]) -> None:
    for line in vmiostat("--root", XEN, "--json", *options, "0.05", "2").splitlines():
        VALIDATOR.validate(json.loads(line))


def test_the_schema_is_strict() -> None:
    Draft202012Validator.check_schema(schema())
    (line,) = vmiostat("--root", XEN, "--json").splitlines()
    for spoil in ({"view": "mine"}, {"state": "fine"}, {"uuid": 3}, {"unknown": 1}):
        report = json.loads(line)
        report["block"][0] |= spoil
        assert not VALIDATOR.is_valid(report)


@pytest.fixture
def named(tmp_path: Path) -> Path:
    """The captured host, which has a name."""
    shutil.copytree(XEN, tmp_path / "xen", symlinks=True)
    (tmp_path / "xen/proc/sys/kernel").mkdir(parents=True, exist_ok=True)
    (tmp_path / "xen/proc/sys/kernel/hostname").write_text("node1\n")
    return tmp_path / "xen"


def test_each_record_says_whose_it_is(named: Path) -> None:
    found = json.loads(vmiostat("--root", named, "--json"))
    domains = {domain.name: domain for domain in Host(XEN).domains()}
    nics = {nic.target: nic for domain in domains.values() for nic in domain.interfaces}
    for row in [*found["block"], *found["interface"]]:
        domain = domains[row["domain"]]
        assert (row["host"], row["view"], row["provider"]) == ("node1", "guest", domain.provider)
        assert (row["uuid"], row["id"]) == (domain.uuid, domain.id)
        swapped = nics[row["device"]].swap_rx_tx if row["kind"] == "interface" else None
        assert row["direction"] == {None: None, True: "swapped", False: "as counted"}[swapped]
    host = json.loads(vmiostat("--root", named, "--json", "-i", "--view", "host"))["interface"]
    assert {(row["view"], row["direction"]) for row in host} == {("host", "as counted")}


def test_fields_choose() -> None:
    fields = "domain,device,wr_bytes,wr_bytes/s,rx_bytes"
    found = json.loads(vmiostat("--root", XEN, "--json", "--fields", fields))
    assert {tuple(row) for row in found["block"]} == {("domain", "device", "wr_bytes", "wr_bytes/s")}
    assert {tuple(row) for row in found["interface"]} == {("domain", "device", "rx_bytes")}
    header, first, *_ = vmiostat("--root", XEN, "--csv", "--fields", fields).splitlines()
    assert header == fields
    assert first == f"Domain-1,xvda,{found['block'][0]['wr_bytes']},,"


def test_a_log_of_csv_has_one_header() -> None:
    header, *records = vmiostat("--root", XEN, "--csv").splitlines()
    assert header.startswith("time,since_boot,")
    bare = vmiostat("--root", XEN, "--csv", "--no-header").splitlines()
    assert len(bare) == len(records)
    assert not any("since_boot" in line for line in bare)
