"""What names can do to those who read the output: pass for another's, for a formula, or for orders to a terminal."""

import csv
import io
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from testkit.command import COMMAND, vmiostat
from testkit.real.needs import skip
from testkit.trees.processes import ProcessTree
from testkit.until import until
from vmiostat import Host
from vmiostat.cli.arguments import machine as machine_of
from vmiostat.cli.arguments import parser

FORMS = [[], ["--json"], ["--csv"], ["--csv-text"], ["devices"], ["devices", "--json"]]


def machine(folder: Path, *names: str) -> ProcessTree:
    """A machine with a VM of each name, which has a disk and a card of that name too."""
    tree = ProcessTree(folder)
    for pid, name in enumerate(names, 500):
        quoted = name.replace(",", ",,")
        words = ["-drive", f"file=/srv/{quoted},id={quoted}", "-netdev", f"user,id={quoted}"]
        tree.process(pid, ["kvm", "-name", f"guest={quoted}", *words])
    return tree


def output(*arguments: str | Path) -> str:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, timeout=60, check=True)
    return (done.stdout + done.stderr).decode()


def csv_names(folder: Path, form: str = "--csv") -> list[str]:
    records = csv.DictReader(io.StringIO(vmiostat("--root", folder, form, "-i")))
    return [record["domain"] for record in records]


def json_rows(folder: Path) -> list[dict[str, Any]]:
    found = json.loads(vmiostat("--root", folder, "--json"))
    return [*found["block"], *found["interface"]]


ALIKE = [
    "a\udcff",
    r"a\xff",
    r"a\\xff",
    "aÿ",
    r"a\u00ff",
    r"a\ud8ff",
    "a\\",
    "a\n",
    r"a\n",
    "a…",
    r"a\u2026",
]
"""A byte that is not UTF-8, and texts that an escape could make of it; no two of them are the same name."""


def test_no_two_names_become_one_in_any_form(tmp_path: Path) -> None:
    machine(tmp_path, *ALIKE)
    count = len(ALIKE)
    assert len({(row["domain"], row["device"], row["kind"]) for row in json_rows(tmp_path)}) == 3 * count
    assert len(set(csv_names(tmp_path))) == count
    assert len(set(csv_names(tmp_path, "--csv-text"))) == count
    devices = [json.loads(line) for line in vmiostat("devices", "--root", tmp_path, "--json").splitlines()]
    assert len({device["domain"] for device in devices}) == count
    assert len({device["block"][0]["source"] for device in devices}) == count
    text = vmiostat("devices", "--root", tmp_path)
    assert len({line.partition(" (")[0] for line in text.splitlines() if line.startswith("a")}) == count
    table = vmiostat("--root", tmp_path, "-i")
    assert len({line.split()[0] for line in table.splitlines() if line.startswith("a")}) == count


def test_names_with_the_same_beginning_and_end_stay_different_in_a_table(tmp_path: Path) -> None:
    begin, end = "n" * 48, "m" * 48
    machine(tmp_path, begin + "1" + end, begin + "2" + end, begin, begin + "1")
    rows = [line.split()[0] for line in vmiostat("--root", tmp_path, "-i").splitlines() if line.startswith("n")]
    assert len(rows) == len(set(rows)) == 4
    assert max(map(len, rows)) == 48


def test_no_name_is_that_of_another_which_was_cut(tmp_path: Path) -> None:
    machine(tmp_path, "n" * 99)
    (cut,) = (line.split()[0] for line in vmiostat("--root", tmp_path, "-i").splitlines() if line.startswith("n"))
    machine(tmp_path / "both", "n" * 99, cut)
    rows = [
        line.split()[0] for line in vmiostat("--root", tmp_path / "both", "-i").splitlines() if line.startswith("n")
    ]
    assert len(set(rows)) == 2


FORMULAS = ["=1+1", "+1", "-1", "@SUM(1)", "\uff1d1", "\t=1", "\r=1", "'=1", '"=1']


def test_no_name_is_a_formula(tmp_path: Path) -> None:
    machine(tmp_path, *FORMULAS)
    plain, text = csv_names(tmp_path), csv_names(tmp_path, "--csv-text")
    assert plain == ["=1+1", "+1", "-1", "@SUM(1)", "\uff1d1", r"\t=1", r"\r=1", "'=1", '"=1']
    assert text == ["'=1+1", "'+1", "'-1", "'@SUM(1)", "'\uff1d1", r"\t=1", r"\r=1", "''=1", '"=1']


@pytest.mark.parametrize("form", FORMS, ids=" ".join)
def test_no_name_orders_a_terminal_about(form: list[str], tmp_path: Path) -> None:
    machine(
        tmp_path,
        "\x1b]0;owned\x07\x1b[2J",
        "\x9b2J",
        "a\rb",
        "a\x08b",
        "\u202eabc",
        "\x00"[:0] + "b\x7f",
        "a\nfake 1 2 3",
    )
    text = output(*form, "--root", tmp_path)
    assert "owned" in text
    assert [letter for letter in text if letter != "\n" and not letter.isprintable()] == []
    assert not any(line.startswith("fake") for line in text.splitlines())


@contextmanager
def called_like_a_vmm(folder: Path) -> Iterator[int]:
    program = Path(shutil.copy("/bin/cat", folder / "qemu-system-x86_64"))
    with subprocess.Popen([program], stdin=subprocess.PIPE, user=65534, group=65534, extra_groups=[]) as process:
        until(lambda: Path(f"/proc/{process.pid}/comm").read_text().startswith("qemu-system"))
        yield process.pid
        process.kill()


@pytest.fixture
def everybodys(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid():
        skip("starts a process of another user")
    folder = Path("/tmp") / f"vmiostat-{os.getpid()}-{tmp_path.name}"
    folder.mkdir(mode=0o755)
    yield folder
    shutil.rmtree(folder)


def with_options(*words: str | Path) -> Host:
    return machine_of(parser("devices", usage="", description="").parse_args(list(map(str, words))))


def test_unverified_processes_can_be_hidden(everybodys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmiostat.discovery.vmm.processes._SHOWN", 10_000)
    with called_like_a_vmm(everybodys) as pid:
        name = f"unverified pid {pid}"
        for host in (Host(), with_options()):
            assert name in [domain.name for domain in host.domains()]
        for host in (Host(unverified=False), with_options("--no-unverified")):
            assert not [domain.name for domain in host.domains() if not domain.verified]
            assert any("0 of them are shown" in str(problem) for problem in host.problems)


def test_a_vmm_of_another_place_can_be_trusted(everybodys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmiostat.discovery.vmm.processes._SHOWN", 10_000)
    with called_like_a_vmm(everybodys) as pid:
        name, path = f"unverified pid {pid}", everybodys / "qemu-system-x86_64"
        for host in (Host(vmms=["/opt/*"]), with_options("--vmm", "/opt/*")):
            assert name in [domain.name for domain in host.domains()]
        for host in (Host(vmms=["/opt/*", str(path)]), with_options("--vmm", "/opt/*", "--vmm", path)):
            assert [domain.verified for domain in host.domains() if (of := domain.process) and of.pid == pid] == [True]
    with pytest.raises(ValueError, match="begins with /, unlike 'qemu'"):
        Host(vmms=["qemu"])
