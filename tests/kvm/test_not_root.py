"""Who may less sees less, is told what it takes to see the rest, and has right numbers for what he sees."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lab.kvm.running_lab import RunningLab

ROOT = Path(__file__).parents[2]


class Seen:
    """What a process saw that was restricted."""

    def __init__(self, lab: RunningLab, *arguments: object, run: Path | None = None) -> None:
        words = [sys.executable, "-m", "tests.kvm.restricted", run or lab.run, *arguments]
        told = subprocess.run([str(word) for word in words], cwd=ROOT, capture_output=True, text=True, check=False)
        assert told.returncode == 0, told.stderr
        seen = json.loads(told.stdout)
        pids = {pid: name for name, pid in lab.pids().items()}
        self.domains: dict[str, Any] = {pids.get(domain["pid"], domain["name"]): domain for domain in seen["domains"]}
        self.problems: list[str] = seen["problems"]
        self.unnoticed: list[str] = seen["unnoticed"]
        self.explained: list[str] = seen["explained"]

    def disks(self) -> list[list[str]]:
        """Of each disk of vm1: what counts it, why not, and its state."""
        return list(self.domains["vm1"]["disks"].values())

    def nics(self) -> list[list[str]]:
        return list(self.domains["vm1"]["nics"].values())

    def said(self, *words: str) -> bool:
        """Whether one of the problems has all of these words."""
        return any(all(word in problem for word in words) for problem in self.problems)


def counted(devices: list[list[str]]) -> int:
    return sum(state == "ok" for _, _, state in devices)


def test_root_sees_everything(lab: RunningLab) -> None:
    seen = Seen(lab)
    assert seen.problems == []
    assert (counted(seen.disks()), counted(seen.nics())) == (2, 4)


def test_nobody_has_disks_by_command_lines_and_is_told_the_rest(lab: RunningLab) -> None:
    seen = Seen(lab, "not_root")
    assert {"vm1", "vm2", "vm3"} <= set(seen.domains)
    assert {seen.domains[name]["provider"] for name in ("vm1", "vm2", "vm3")} == {"processes"}
    assert seen.said("libvirt/qemu", "Permission denied", "root")
    assert seen.said("descriptors", "CAP_SYS_PTRACE")
    assert counted(seen.disks()) == 2
    assert all(state == "ok" or reason for _, reason, state in seen.disks())
    # Which taps are a QEMU's, its descriptors tell.
    assert counted(seen.nics()) == 0
    assert sum("CAP_SYS_PTRACE" in reason for _, reason, _ in seen.nics()) == 4


def test_nobody_may_ask_libvirt_read_only(lab: RunningLab) -> None:
    seen = Seen(lab, "not_root", "--libvirt", f"{lab.uri}-ro")
    assert seen.domains["vm1"]["provider"] == "libvirt"
    assert (counted(seen.disks()), counted(seen.nics())) == (2, 4)
    # The interfaces are in a namespace that nobody may enter; /proc/PID/net/dev may be read.
    assert any("cannot be entered" in line for line in seen.explained)


def test_nobody_who_asks_libvirt_for_more_is_told_the_group(lab: RunningLab) -> None:
    seen = Seen(lab, "not_root", "--libvirt", lab.uri)
    assert seen.said("cannot connect", "Permission denied", "root", "group libvirt")
    assert counted(seen.disks()) == 2


def test_hidden_processes(lab: RunningLab) -> None:
    seen = Seen(lab, "hidden_processes", "not_root")
    assert seen.said("hidepid", "root", "gid=")
    assert set(seen.domains) == {"host"}
    assert all(state == "ok" for _, _, state in seen.domains["host"]["disks"].values())


@pytest.mark.parametrize("restriction", ["read_only_sys", "hidden_processes"])
def test_what_changes_nothing_for_root(lab: RunningLab, restriction: str) -> None:
    seen = Seen(lab, restriction)
    assert seen.problems == []
    assert seen.unnoticed == []
    assert (counted(seen.disks()), counted(seen.nics())) == (2, 4)


@pytest.mark.parametrize("source", ["auto", "netlink"])
def test_no_netlink(lab: RunningLab, source: str) -> None:
    seen = Seen(lab, "no_netlink", "--interface-source", source)
    assert (counted(seen.disks()), counted(seen.nics())) == (2, 4)
    assert any("interfaces come or go" in problem for problem in seen.unnoticed)
    assert any("disks come or go" in problem for problem in seen.unnoticed)
    if source == "netlink":
        assert any("netlink was requested, but is not available" in line for line in seen.explained)


def test_a_container_that_has_the_hosts_run_folder_only(lab: RunningLab) -> None:
    seen = Seen(lab, "own_namespaces")
    assert seen.said("PID namespace", "--pid=host")
    assert counted(seen.disks()) == 2  # /proc/diskstats is the same for all
    assert counted(seen.nics()) == 0
    assert sum("in another network namespace" in reason for _, reason, _ in seen.nics()) == 4


def test_a_container_that_sees_itself_only(lab: RunningLab, tmp_path: Path) -> None:
    seen = Seen(lab, "own_namespaces", run=tmp_path)
    assert seen.said("PID namespace", "--pid=host")
    assert set(seen.domains) == {"host"}
    assert list(seen.domains["host"]["nics"]) == ["lo"]
