"""Domains from XML files, also broken ones; hostile names in XML and in the kernel."""

import csv
import io
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from testkit.command import COMMAND, started, vmiostat
from vmiostat.cli.warnings import Warnings

HOSTILE = 'evil"],\n\u202e;é\u0301'

DOMAIN = """\
<domain type='kvm' id='7'>
  <name>{name}</name>
  <devices>
    <disk type='file' device='disk'><source file='/images/a.qcow2'/><target dev='vda'/></disk>
    <interface type='bridge'><source bridge='br0'/><target dev='lo'/></interface>
  </devices>
</domain>
"""


def domain_file(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{len(list(folder.iterdir()))}.xml"
    text = "".join(f"&#{ord(character)};" for character in name)
    path.write_text(DOMAIN.format(name=text), encoding="utf-8")
    return path


def test_domains_of_several_files_and_folders(tmp_path: Path) -> None:
    one = domain_file(tmp_path / "one", "web1")
    domain_file(tmp_path / "more", "web2")
    domain_file(tmp_path / "more", "web3")
    (line,) = vmiostat("--json", "--xml", one, "--xml", tmp_path / "more").splitlines()
    report = json.loads(line)
    assert [row["domain"] for row in report["interface"]] == ["web1", "web2", "web3"]
    assert {row["state"] for row in report["block"]} == {"unsupported"}
    assert report["interface"][0]["counters"]["rx_bytes"] is not None


def test_a_bad_file_costs_a_line_and_the_other_domains_go_on(tmp_path: Path) -> None:
    domain_file(tmp_path, "web1")
    (tmp_path / "bad.xml").write_text("<domain><name>web2</nam", encoding="utf-8")
    command: list[str | Path] = [*COMMAND, "--json", "--xml", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0
    assert done.stderr.startswith("vmiostat: warning: ")
    assert "bad.xml:1" in done.stderr
    assert done.stderr.count("\n") == 1
    assert [row["domain"] for row in json.loads(done.stdout)["block"]] == ["web1"]


def test_hostile_names_break_no_output(tmp_path: Path) -> None:
    path = domain_file(tmp_path, HOSTILE)
    table = vmiostat("--xml", path)
    shown = r"evil\"],\n\u202e;é\u0301"
    assert sum(line.startswith(shown) for line in table.splitlines()) == 2
    report = json.loads(vmiostat("--xml", path, "--json"))
    assert report["block"][0]["domain"] == HOSTILE
    header, block, interface = csv.reader(io.StringIO(vmiostat("--xml", path, "--csv")))
    assert len(header) == len(block) == len(interface)
    assert block[header.index("domain")] == r'evil"],\n\u202e;é\u0301'
    assert f"{shown} (kvm, id 7" in vmiostat("devices", "--xml", path)
    assert json.loads(vmiostat("devices", "--json", "--xml", path))["domain"] == HOSTILE


def test_an_interface_with_a_hostile_name_breaks_no_output(tmp_path: Path) -> None:
    name = b"net\xff\x1b[2J"
    (tmp_path / "proc/net").mkdir(parents=True)
    (tmp_path / "proc/net/dev").write_bytes(b"a\nb\n" + name + b": 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n")
    Path(os.fsdecode(bytes(tmp_path / "sys/class/net") + b"/" + name)).mkdir(parents=True)
    (tmp_path / "sys/class/block").mkdir()
    (tmp_path / "proc/uptime").write_text("86400.00 100.00\n")
    shown = r"net\xff\x1b[2J"
    assert f"host   {shown}   0.00" in vmiostat("--root", tmp_path)
    (row,) = json.loads(vmiostat("--root", tmp_path, "--json"))["interface"]
    assert (row["device"], row["counters"]["rx_bytes"]) == ("net\\xff\x1b[2J", 1)
    header, record = csv.reader(io.StringIO(vmiostat("--root", tmp_path, "--csv")))
    assert record[header.index("device")] == shown
    assert f"  {shown}  virtual\n" in vmiostat("devices", "--root", tmp_path)
    assert f"interface {shown}\n" in vmiostat("devices", "--root", tmp_path)
    (nic,) = json.loads(vmiostat("devices", "--json", "--root", tmp_path))["interface"]
    assert nic["device"] == row["device"]


def test_a_problem_that_comes_between_reports_is_printed_once(tmp_path: Path) -> None:
    domain_file(tmp_path / "xml", "web1")
    with started("--xml", tmp_path / "xml", "--csv", "-y", "0.1") as running:
        assert running.stdout is not None
        assert running.stderr is not None
        next(line for line in running.stdout if ",web1," in line)
        for name in ("web2", "web3"):
            (tmp_path / "xml/2.xml").write_text("<domain broken")
            complaint = running.stderr.readline()
            assert complaint.startswith("vmiostat: warning: ")
            assert "2.xml:1: this is not well-formed XML" in complaint
            (tmp_path / "xml/2.xml").write_text(DOMAIN.format(name=name))
            next(line for line in running.stdout if f",{name}," in line)
        running.send_signal(signal.SIGINT)
        assert running.stderr.read() == ""
    assert running.returncode == 0


def test_a_problem_of_another_age_is_not_printed_again(capsys: pytest.CaptureFixture[str]) -> None:
    warnings = Warnings()
    for problems in (["no answer for 1 s"], ["no answer for 2 s", "gone"], [], ["no answer for 30 s"]):
        warnings.update(map(RuntimeError, problems))
    printed = capsys.readouterr().err.splitlines()
    assert printed == [f"vmiostat: warning: {text}" for text in ("no answer for 1 s", "gone", "no answer for 30 s")]


def test_so_many_problems_are_printed_and_the_rest_counted(capsys: pytest.CaptureFixture[str]) -> None:
    warnings = Warnings()
    for _ in range(2):
        warnings.update(RuntimeError(f"file {number} is empty") for number in range(984))
    *printed, last = capsys.readouterr().err.splitlines()
    assert printed == [f"vmiostat: warning: file {number} is empty" for number in range(30)]
    assert last == "vmiostat: warning: and 954 more problems (Host.problems has all of them)"
