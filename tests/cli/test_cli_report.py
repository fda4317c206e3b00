"""`vmiostat [options] [interval [count]]`: on a captured host, on trees that change, on this machine."""

import csv
import io
import itertools
import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from testkit.command import XEN, started, vmiostat
from testkit.targets import targets
from testkit.trees.libvirt import LibvirtTree
from vmiostat import BLOCK_FIELDS, INTERFACE_FIELDS, Host
from vmiostat.cli import report
from vmiostat.cli.names import cell


def statistics(device: str) -> dict[str, int]:
    folder = XEN / "sys/devices" / device / "statistics"
    return {path.name: int(path.read_text()) for path in folder.iterdir()}


@pytest.fixture
def xen(tmp_path: Path) -> Path:
    """A copy of the captured host, to be changed; it has an uptime, which was not captured."""
    shutil.copytree(XEN, tmp_path / "xen", symlinks=True)
    (tmp_path / "xen/proc/uptime").write_text("86400.00 100.00\n")
    return tmp_path / "xen"


@pytest.fixture
def me(tmp_path: Path) -> Path:
    """The definition of a domain that has lo of this machine."""
    definition = tmp_path / "me.xml"
    definition.write_text(
        "<domain type='kvm' id='1'><name>me</name><devices>"
        "<interface type='bridge'><target dev='lo'/></interface></devices></domain>"
    )
    return definition


def rows(text: str, kind: str) -> dict[tuple[str, str], dict[str, Any]]:
    (line,) = text.splitlines()
    return {(row["domain"], row["device"]): row for row in json.loads(line)[kind]}


def test_counters_of_a_captured_xen_host_are_those_of_its_files(xen: Path) -> None:
    seen = 0
    block = rows(vmiostat("--root", xen, "--json"), "block")
    for domain in Host(XEN).domains():
        for disk in domain.disks:
            row = block[domain.name, disk.target]
            if disk.counter_source is None:
                assert row["state"] == "unsupported"
                assert set(row["counters"].values()) == {None}
                continue
            files = statistics(str(disk.counter_source))
            assert row["state"] == "ok"
            assert row["counters"]["rd_req"] == files["rd_req"]
            assert row["counters"]["wr_bytes"] == files["wr_sect"] * 512
            assert row["counters"]["fl_req"] == files["f_req"]
            assert row["counters"]["rd_time"] is None
            seen += 1
    assert seen == 6


def test_the_table_shows_every_device_of_a_captured_host() -> None:
    text = vmiostat("--root", XEN)
    assert text.startswith(f"Linux ({cell(str(XEN))})  2")  # where the checkout lies deep, the path is cut
    shown = {tuple(line.split()[:2]) for line in text.splitlines() if line and line[0].isalpha()}
    for domain in Host(XEN).domains():
        assert {(domain.name, device) for device in targets(domain.disks) + targets(domain.interfaces)} <= shown


def test_a_rate_is_what_the_counter_grew_by(xen: Path) -> None:
    sectors = xen / "sys/devices/vbd-1-51712/statistics/wr_sect"
    domain, device = next(
        (domain.name, disk.target)
        for domain in Host(XEN).domains()
        for disk in domain.disks
        if str(disk.counter_source) == "vbd-1-51712"
    )
    with started("--root", xen, "--json", "0.5", "2") as command:
        assert command.stdout is not None
        first = rows(command.stdout.readline(), "block")[domain, device]
        sectors.write_text(f"{int(sectors.read_text()) + 2048}\n")
        second = rows(command.stdout.readline(), "block")[domain, device]
        assert command.wait(10) == 0
    assert second["counters"]["wr_bytes"] - first["counters"]["wr_bytes"] == 1 << 20
    assert second["interval"] == pytest.approx(0.5, abs=0.4)
    assert second["rates"]["wr_bytes"] * second["interval"] == pytest.approx(1 << 20)
    assert second["rates"]["rd_bytes"] == 0


def test_a_device_that_comes_back_is_shown_again(xen: Path, tmp_path: Path) -> None:
    folder = xen / "sys/devices/vbd-1-51712/statistics"
    folder.rename(tmp_path / "away")
    with started("--root", xen, "-b", "--json", "0.3") as command:
        assert command.stdout is not None
        states = []
        for line in command.stdout:
            states.append([row["state"] for row in json.loads(line)["block"]])
            if len(states) == 1:
                (tmp_path / "away").rename(folder)
            if states[-1].count("ok") == 6:
                break
        command.terminate()
    assert states[0].count("ok") == 5
    assert states[-1].count("ok") == 6
    assert len(states) < 12


def test_a_domain_that_starts_is_shown_and_one_that_ends_is_not(tmp_path: Path) -> None:
    tree = LibvirtTree(tmp_path / "machine")
    tree.interfaces({"vnet0": 10, "vnet1": 20})
    tree.start("web1", ["vnet0"])

    def shown(line: str) -> dict[str, str]:
        return {row["domain"]: row["state"] for row in json.loads(line)["interface"]}

    with started("--root", tree.root, "-i", "--json", "0.1") as command:
        assert command.stdout is not None
        reports = map(shown, command.stdout)
        assert list(next(reports)) == ["web1"]
        tree.start("a-new-domain-with-a-name-that-widens-the-table", ["vnet1"], number=2)
        came = next(report for report in reports if len(report) == 2)
        assert list(came.values()) == ["new", "ok"]
        assert list(next(reports).values()) == ["ok", "ok"]
        tree.end("web1")
        assert len(next(report for report in reports if len(report) == 1)) == 1
        command.terminate()


def test_the_table_and_csv_when_rows_come_and_go(tmp_path: Path) -> None:
    tree = LibvirtTree(tmp_path / "machine")
    tree.interfaces({"vnet0": 10, "vnet1": 20})
    (tree.root / "sys/class/block").mkdir(parents=True)
    for form in ([], ["--csv"]):
        tree.start("web1", ["vnet0"])
        with started("--root", tree.root, *form, "0.05") as command:
            assert command.stdout is not None
            next(line for line in command.stdout if "web1" in line)
            tree.start("db1", ["vnet1"], number=2)
            tree.end("web1")
            next(line for line in command.stdout if "db1" in line and ("ok" in line or not form))
            tree.end("db1")
            next(line for line in command.stdout if "host" in line)
            command.terminate()
            assert command.stderr is not None
            assert command.stderr.read() == ""


def test_csv_is_a_table_that_machines_read() -> None:
    records = list(csv.reader(io.StringIO(vmiostat("--root", XEN, "--csv", "0.05", "2"))))
    header, *rest = records
    assert {len(record) for record in records} == {len(header)}
    assert len(set(header)) == len(header)
    assert header[:7] == ["time", "since_boot", "kind", "domain", "device", "state", "interval"]
    devices = sum(len(domain.disks) + len(domain.interfaces) for domain in Host(XEN).domains())
    assert len(rest) == 2 * devices
    block = rows(vmiostat("--root", XEN, "--json"), "block")
    assert {row["kind"] for row in block.values()} == {"disk"}
    for record in (dict(zip(header, record, strict=True)) for record in rest):
        if record["kind"] == "disk":
            counters = block[record["domain"], record["device"]]["counters"]
            assert {name: record[name] for name in counters} == {
                name: "" if number is None else str(number) for name, number in counters.items()
            }
            assert record["rx_bytes"] == record["rx_bytes/s"] == ""


def test_one_kind_alone() -> None:
    assert "Interface" not in vmiostat("--root", XEN, "-b")
    assert "Device" not in vmiostat("--root", XEN, "-i")
    both = vmiostat("--root", XEN, "-b", "-i")
    assert "Interface" in both
    assert "Device" in both
    (line,) = vmiostat("--root", XEN, "-i", "--json").splitlines()
    assert set(json.loads(line)) == {"time", "since_boot", "interface"}
    (header, *_) = csv.reader(io.StringIO(vmiostat("--root", XEN, "-b", "--csv")))
    numbers = [field.name for field in BLOCK_FIELDS if field.kind != "row"]
    assert set(numbers) < set(header)
    assert not {field.name for field in INTERFACE_FIELDS if field.kind != "row"} & set(header)


def test_idle_devices_are_hidden_on_demand() -> None:
    # A captured tree stands still: after the first report nothing moves.
    since_boot, quiet = vmiostat("--root", XEN, "--json", "-z", "0.05", "2").splitlines()
    assert json.loads(since_boot)["block"]
    found = json.loads(quiet)
    assert (found["since_boot"], found["interface"]) == (False, [])
    # Of these it is not known whether they are idle.
    assert {row["state"] for row in found["block"]} == {"unsupported"}
    assert len(vmiostat("--root", XEN, "-i", "-y", "-z", "0.05", "1").splitlines()) == 3


def test_the_first_report_since_boot_can_be_omitted(me: Path) -> None:
    def intervals(*options: str) -> list[float]:
        lines = vmiostat("-i", "--json", "--xml", me, *options).splitlines()
        return [json.loads(line)["interface"][0]["interval"] for line in lines]

    uptime = time.clock_gettime(time.CLOCK_BOOTTIME)
    (whole,) = intervals()
    assert whole == pytest.approx(uptime, rel=0.1)
    first, second = intervals("0.05", "2")
    assert first == pytest.approx(uptime, rel=0.1)
    assert second < 30
    assert max(intervals("-y", "0.05", "2")) < 30
    (alone,) = intervals("-y")
    assert alone == pytest.approx(uptime, rel=0.1)


def test_a_captured_machine_has_a_start_of_its_own_or_none(xen: Path) -> None:
    known = rows(vmiostat("--root", xen, "-i", "--json"), "interface")
    assert {row["state"] for row in known.values()} == {"ok"}
    assert all(row["interval"] == pytest.approx(86400, rel=0.01) for row in known.values())
    unknown = rows(vmiostat("--root", XEN, "-i", "--json"), "interface")
    assert {(row["state"], row["interval"]) for row in unknown.values()} == {("new", None)}


def test_the_report_since_boot_is_marked() -> None:
    lines = vmiostat("--root", XEN, "--json", "0.05", "2").splitlines()
    assert [json.loads(line)["since_boot"] for line in lines] == [True, False]
    records = list(csv.DictReader(io.StringIO(vmiostat("--root", XEN, "--csv", "0.05", "2"))))
    devices = len(records) // 2
    assert [record["since_boot"] for record in records] == ["true"] * devices + ["false"] * devices


def test_the_view_of_the_guest_swaps_that_of_the_host() -> None:
    guest = rows(vmiostat("--root", XEN, "--json"), "interface")
    host = rows(vmiostat("--root", XEN, "--json", "--view", "host"), "interface")
    assert guest.keys() == host.keys() != set()
    for name in guest:
        assert guest[name]["counters"]["rx_bytes"] == host[name]["counters"]["tx_bytes"] != 0
        assert guest[name]["counters"]["tx_packets"] == host[name]["counters"]["rx_packets"]


def test_the_roots_can_be_given_one_by_one() -> None:
    text = vmiostat("--proc", XEN / "proc", "--sys", XEN / "sys", "--json", "-b")
    counters = [row["counters"] for row in rows(text, "block").values()]
    assert counters == [row["counters"] for row in rows(vmiostat("--root", XEN, "--json"), "block").values()] != []


def test_a_machine_whose_folders_are_elsewhere(tmp_path: Path) -> None:
    tree = LibvirtTree(tmp_path / "machine")
    tree.interfaces({"vnet0": 10})
    tree.start("web1", ["vnet0"])
    folders: list[str | Path] = []
    for folder in ("proc", "sys", "run"):
        (tree.root / folder).mkdir(exist_ok=True)
        folders += [f"--{folder}", (tree.root / folder).rename(tmp_path / folder)]
    text = vmiostat("--root", tree.root, *folders, "-i", "--json")
    assert rows(text, "interface")["web1", "vnet0"]["counters"]["rx_bytes"] == 10


def test_the_heading_of_a_machine_without_a_host_name_has_its_root(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(
        "<domain type='kvm'><name>a</name><devices><disk type='file'><target dev='vda'/></disk></devices></domain>"
    )
    assert vmiostat("--proc", tmp_path, "-b", "--xml", tmp_path / "a.xml").startswith("Linux (/)  ")


@pytest.mark.timing
def test_a_thousand_reports_a_second(me: Path) -> None:
    start = time.monotonic()
    lines = vmiostat("-y", "-i", "--json", "--xml", me, "0.001", "300").splitlines()
    assert len(lines) == 300
    assert time.monotonic() - start < 5
    gaps = sorted(json.loads(line)["interface"][0]["interval"] for line in lines)
    assert gaps[len(gaps) // 4] == pytest.approx(0.001, rel=0.5)  # not the median: other work may run on this machine


def test_ticks_do_not_drift_and_skip_what_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds + 0.01  # a sleep is always a bit too long

    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(time, "sleep", sleep)
    met = []
    for tick in itertools.islice(report.ticks(100.0, 0.5), 5):
        report.sleep_until(tick)
        met.append(round(now - 100.0, 6))
        now += 1.7 if len(met) == 3 else 0.1  # a report, and one that took very long
    assert met == [0.51, 1.01, 1.51, 3.51, 4.01]


@pytest.mark.alone  # other tests run what is only called like a VMM, which is a warning
def test_this_machine() -> None:
    text = vmiostat("-y", "0.1", "3")
    assert text.count("T") > 0
    assert text.startswith("Linux ")
    assert "(since boot)" not in text
    assert len([line for line in text.splitlines() if line[:4].isdigit()]) == 3
