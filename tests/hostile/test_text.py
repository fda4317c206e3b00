"""What names can do to those who read the output: pass for another's, for a formula, or for orders to a terminal."""

import csv
import errno
import io
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from testkit.command import COMMAND, vmiostat
from testkit.real.needs import need_program, skip
from testkit.trees.processes import ProcessTree
from testkit.until import until
from vmiostat import Host
from vmiostat.cli.arguments import machine as machine_of
from vmiostat.cli.arguments import parser
from vmiostat.system.probe.server import answer

FORMS = [[], ["--json"], ["--csv"], ["--csv-text"], ["devices"], ["devices", "--json"]]


def machine(folder: Path, *names: str) -> ProcessTree:
    """A machine with a VM of each name, which has a disk and a card of that name too."""
    tree = ProcessTree(folder)
    for pid, name in enumerate(names, 500):
        quoted = name.replace(",", ",,")
        words = ["-drive", f"file=/srv/{quoted},id={quoted}", "-netdev", f"user,id={quoted}"]
        words += ["-device", f"virtio-net-pci,netdev={quoted}"]
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


LOCALES = [
    {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    {"LC_ALL": "en_US.ISO-8859-1", "PYTHONUTF8": "0"},
    {"PYTHONIOENCODING": "ascii:strict"},
    {"PYTHONIOENCODING": "utf-16"},
]

FOREIGN = """<domain type='kvm' id='1'><name>数Größe</name><devices>
<disk type='block'><source dev='/dev/数'/><target dev='数'/></disk>
<disk type='file'><source file='/dev/é'/><target dev='é'/></disk>
<interface type='bridge'><target dev='数'/></interface><interface type='bridge'><target dev='ÿ'/></interface>
</devices></domain>"""


@pytest.fixture(scope="module")
def latin1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a locale whose encoding is not UTF-8."""
    need_program("localedef")
    folder = tmp_path_factory.mktemp("locales")
    made = subprocess.run(["localedef", "-i", "en_US", "-f", "ISO-8859-1", folder / "en_US.ISO-8859-1"], check=False)
    if made.returncode:
        skip("has no sources of locales")
    return folder


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("foreign")
    tree = ProcessTree(folder, "数", "ÿ", "\udcff")
    tree.process(500, ["kvm", "-name", "数"], taps={5: "数", 6: "ÿ", 7: "\udcff"})
    (folder / "数.xml").write_text(FOREIGN)
    return folder


def texts_in(locale: dict[str, str], folder: Path) -> list[str]:
    """Standard output and error of commands, without times."""
    xml = ["--xml", str(folder / "数.xml")]
    texts = []
    for words in (xml, ["devices", *xml], ["--csv"], ["devices", "--json"]):
        command = [os.fsencode(word) for word in (*COMMAND, *words, "--root", str(folder))]
        done = subprocess.run(command, capture_output=True, env=os.environ | locale, timeout=60, check=True)
        texts.append(re.sub(r"[0-9-]{10}T[0-9:.+]+|[0-9]{9,}", "", (done.stdout + done.stderr).decode()))
    return texts


@pytest.fixture(scope="module")
def in_utf8(foreign: Path) -> list[str]:
    return texts_in({"LC_ALL": "C.UTF-8"}, foreign)


@pytest.mark.parametrize("locale", LOCALES, ids=lambda locale: "-".join(locale.values()))
def test_output_is_the_same_in_every_locale(
    locale: dict[str, str], latin1: Path, foreign: Path, in_utf8: list[str]
) -> None:
    assert texts_in(locale | {"LOCPATH": str(latin1)}, foreign) == in_utf8
    nics = json.loads(in_utf8[-1])["interface"]
    assert [nic["device"] for nic in nics] == ["数", "ÿ", r"\xff"]


def test_a_path_that_is_no_path_costs_its_disk_alone(tmp_path: Path) -> None:
    tree = ProcessTree(tmp_path)
    for pid, letter in enumerate((r"\ud800", r"\u0000"), 500):
        node = f'{{"driver":"host_device","node-name":"a","filename":"/dev/{letter}"}}'
        words = ["-blockdev", node, "-device", "virtio-blk,drive=a", "-netdev", f'{{"type":"tap","ifname":"{letter}"}}']
        tree.process(pid, ["kvm", "-name", f"a{pid}", *words], opened={5: "/dev/sda"}, taps={6: "tap1"})
    tree.disk("sda", "8:0")
    assert [domain.name for domain in Host(tmp_path).domains()] == ["a500", "a501"]
    listed = {"c_info": {"name": "a\ud800"}, "disks": [{"vdev": "xvda", "pdev_path": "/dev/\ud800"}]}
    (tmp_path / "list").write_text(json.dumps([{"domid": 1, "config": listed}]))
    (domain,) = Host(tmp_path, xml=tmp_path / "list").domains()
    assert domain.name == "a\ud800"
    assert json.loads(vmiostat("--root", tmp_path, "--xml", tmp_path / "list", "--json"))["block"]


@pytest.mark.parametrize("path", ["/dev/\0", "/dev/\ud800"])
def test_a_path_that_is_no_path_ends_no_helper_process(path: str) -> None:
    said, _ = answer(json.dumps(["block_device", [path, "/"]]).encode())
    assert said["errno"] == errno.ENOENT


@pytest.mark.parametrize("end", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\r"])
def test_the_name_of_a_control_group_adds_no_line(end: str, tmp_path: Path) -> None:
    tree = ProcessTree(tmp_path)
    tree.process(500, ["kvm", "-name", "a"])
    victim = "machine.slice/machine-qemu-1.scope"
    tree.write(f"sys/fs/cgroup/{victim}/cgroup.procs", "600\n")
    tree.write(f"sys/fs/cgroup/{victim}/io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n")
    tree.write("proc/500/cgroup", f"0::/user.slice/a{end}0::/{victim}\n")
    (domain,) = Host(tmp_path).domains()
    assert domain.total is not None
    assert domain.total.counter_source is None
    tree.write("proc/500/cgroup", f"0::/{victim}\n")
    (domain,) = Host(tmp_path).domains()
    assert domain.total is not None
    assert domain.total.counter_source is not None


@contextmanager
def called_like_a_vmm(folder: Path) -> Iterator[int]:
    program = Path(shutil.copy("/bin/cat", folder / "qemu-system-x86_64"))
    with subprocess.Popen([program], stdin=subprocess.PIPE, user=65534, group=65534, extra_groups=[]) as process:
        until(lambda: Path(f"/proc/{process.pid}/comm").read_text().startswith("qemu-system"))
        yield process.pid
        process.kill()


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
