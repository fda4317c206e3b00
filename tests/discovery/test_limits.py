"""What a flood of names, devices, descriptors, processes and problems costs: what goes beyond the limits is cut."""

import math
import shutil
import time
from pathlib import Path

import pytest

from testkit.trees.processes import ProcessTree
from vmiostat import Host, Roots
from vmiostat.cli.warnings import Warnings
from vmiostat.discovery import limits
from vmiostat.discovery.provider import ScanContext
from vmiostat.discovery.vmm.command_line import CommandLine
from vmiostat.discovery.vmm.forks import Forks
from vmiostat.discovery.vmm.machine_budget import MachineBudget
from vmiostat.discovery.vmm.process import VmmProcess
from vmiostat.discovery.vmm.processes import VmmProcesses
from vmiostat.errors import Error
from vmiostat.model import Disk, Domain, Interface, Process
from vmiostat.system.netns import NetworkNamespaces
from vmiostat.system.probe.pool import Probe


@pytest.fixture
def tree(tmp_path: Path) -> ProcessTree:
    return ProcessTree(tmp_path)


def drives(count: int) -> list[str]:
    return [word for number in range(count) for word in ("-drive", f"file=/srv/{number},id=d{number}")]


def test_long_names_are_cut_and_stay_different(tree: ProcessTree) -> None:
    long = "n" * 1000
    tree.process(500, ["kvm", "-name", f"{long}1", "-drive", f"file=/a,id={long}1", "-drive", f"file=/b,id={long}2"])
    tree.process(501, ["kvm", "-name", f"{long}2"])
    host = Host(tree.root)
    first, second = host.domains()
    names = [first.name, second.name, *map(str, first.disks)]
    assert all(len(name) == limits.NAME_BYTES and name.startswith("n" * 246 + "~") for name in names)
    assert first.name != second.name
    assert first.disks[0].target != first.disks[1].target
    assert ["shown only in part" in str(problem) for problem in host.problems] == [True]


@pytest.mark.parametrize("name", ["é" * 200, "\udcff" * 200, "\ud800" * 100])
def test_a_cut_name_has_whole_letters(name: str) -> None:
    cut = limits.cut_name(name)
    assert cut != name
    assert len(cut.encode()) <= limits.NAME_BYTES


def test_a_vm_has_no_more_than_so_many_devices(tree: ProcessTree) -> None:
    cards = [word for number in range(10) for word in ("-nic", f"user,id=n{number}")]
    tree.process(500, ["kvm", "-name", "a", *drives(limits.DEVICES + 1), *cards])
    tree.process(501, ["kvm", "-name", "b", *drives(limits.DEVICES - 5), *cards])
    tree.process(502, ["kvm", "-name", "c", *drives(limits.DEVICES - 10), *cards])
    host = Host(tree.root)
    counts = [(len(domain.disks), len(domain.interfaces)) for domain in host.domains()]
    assert counts == [(limits.DEVICES, 0), (limits.DEVICES - 5, 5), (limits.DEVICES - 10, 10)]
    (problem,) = host.problems
    assert "2 virtual machines ('a', 'b') are shown only in part" in str(problem)


def test_no_more_than_so_many_descriptors_are_probed(tree: ProcessTree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmiostat.discovery.vmm.process.DESCRIPTORS", 3)
    tree.process(500, ["kvm", "-name", "a"], taps={number: f"tap{number}" for number in range(10, 15)})
    host = Host(tree.root)
    (domain,) = host.domains()
    assert list(map(str, domain.interfaces)) == ["tap10", "tap11", "tap12"]
    assert ["shown only in part" in str(problem) for problem in host.problems] == [True]


def machine(devices: int = 0) -> VmmProcess:
    disks = tuple(Disk(str(number)) for number in range(devices // 2))
    cards = tuple(Interface(str(number)) for number in range(devices - len(disks)))
    return VmmProcess(1, False, CommandLine(), Process(1, 1), None, Domain("a", disks=disks, interfaces=cards), False)


def admitted(pids: range) -> tuple[list[int], list[Error]]:
    """Of processes that belong to user 1000 up to pid 1999, then to root."""
    budget = MachineBudget(Roots())
    found = []
    for pid in pids:
        owner = (1000 if pid < 2000 else 0) if pid else None
        if budget.has_room(owner):
            budget.add(owner, machine())
            found.append(pid)
    return found, list(budget.problems())


def test_no_user_but_root_has_more_than_so_many_machines() -> None:
    found, problems = admitted(range(500, 4000))
    assert found == [*range(500, 500 + limits.MACHINES_OF_A_USER), *range(2000, 4000)]
    (problem,) = problems
    assert f"(476 of user 1000): up to {limits.MACHINES_OF_A_USER}" in str(problem)


def test_there_are_no_more_than_so_many_machines_in_all() -> None:
    found, problems = admitted(range(2000, 2001 + limits.MACHINES))
    assert found == list(range(2000, 2000 + limits.MACHINES))
    assert "(1 of user 0)" in str(problems[0])
    assert admitted(range(5)) == ([0, 1, 2, 3, 4], [])


def test_a_user_has_no_more_than_so_many_devices() -> None:
    budget = MachineBudget(Roots())
    counts = []
    for _ in range(8):
        domain = budget.add(1000, machine(limits.DEVICES)).domain
        counts.append((len(domain.disks), len(domain.interfaces)))
    half = limits.DEVICES // 2
    assert counts == [(half, half)] * 2 + [(0, 0)] * 6
    (problem,) = budget.problems()
    assert "6 virtual machines are shown without some of their devices (6 of user 1000)" in str(problem)
    assert len(budget.add(1001, machine(10)).domain.interfaces) == 5
    whole = machine(limits.DEVICES_OF_A_USER + 1)
    assert budget.add(0, whole) is whole, "root's are not cut"


def test_a_user_takes_no_more_than_so_much_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "thread_time", lambda: now)
    budget = MachineBudget(Roots())
    examined = {0: 0, 1000: 0, 1001: 0}
    for _ in range(100):
        for owner in examined:
            if budget.has_time(owner):
                with budget.time_of(owner):
                    examined[owner] += 1
                    now += 2.0**-10 if owner == 1001 else 2.0**-3
    assert examined[1000] == 4
    assert examined[0] == examined[1001] == 100
    (problem,) = budget.problems()
    assert "processes were not examined in this scan (96 of user 1000)" in str(problem)


def test_what_is_not_examined_stands(tree: ProcessTree, monkeypatch: pytest.MonkeyPatch) -> None:
    for pid in (500, 501):
        tree.process(pid, ["kvm", "-name", f"vm{pid}"])
    provider = VmmProcesses()
    assert len(provider.scan(ScanContext(tree.roots)).domains) == 2
    tree.process(502, ["kvm", "-name", "new"])
    monkeypatch.setattr(MachineBudget, "has_time", lambda *_: False)
    assert [domain.name for domain in provider.scan(ScanContext(tree.roots)).domains] == ["vm500", "vm501"]
    shutil.rmtree(tree.root / "proc/500")
    assert [domain.name for domain in provider.scan(ScanContext(tree.roots)).domains] == ["vm501"]


def test_only_so_many_descriptors_are_listed(tree: ProcessTree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmiostat.discovery.vmm.process.OPEN_FILES", 8)
    tree.process(500, ["kvm", "-name", "a"], taps={number: f"tap{number}" for number in range(10, 20)})
    host = Host(tree.root)
    (domain,) = host.domains()
    assert len(domain.interfaces) == 8
    assert ["shown only in part" in str(problem) for problem in host.problems] == [True]


def test_what_is_left_out_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    warnings = Warnings()
    for count in (1, 2, 3):
        warnings.update([*limits.cut_problems([Error("a")] * (limits.PROBLEMS + count)), Error("vda1")])
    warnings.update([Error("vda2")])
    warnings.update([*limits.cut_problems([Error("a")] * (limits.PROBLEMS + 9))])
    said = capsys.readouterr().err.splitlines()
    assert [line.rpartition(": ")[2] for line in said] == ["a", "and 1 more problems", "vda1", "vda2", "a"]


def test_more_problems_are_counted() -> None:
    problems = [Error(str(number)) for number in range(limits.PROBLEMS + 2)]
    assert limits.cut_problems(problems[:-2]) == tuple(problems[:-2])
    *first, last = limits.cut_problems(problems)
    assert first == problems[:-2]
    assert "and 2 more problems" in str(last)


def test_what_is_no_vmm_is_forgotten_when_it_ends(tree: ProcessTree) -> None:
    tree.process(500, ["sh"])
    provider = VmmProcesses()
    provider.scan(ScanContext(tree.roots))
    assert provider._others == {500}
    context = ScanContext(tree.roots, full=False)
    context.pids = frozenset({1})
    provider.scan(context)
    assert provider._others == set()


def test_what_is_remembered_of_processes_ends_with_them(tree: ProcessTree) -> None:
    """Anyone can start and end processes without end."""
    tree.process(1, ["init"])
    (tree.root / "proc/self").symlink_to("1")
    namespaces, forks, probe = NetworkNamespaces(tree.roots), Forks(), Probe()
    for pid in range(500, 510):
        tree.process(pid, ["kvm"], namespace=f"net:[{pid}]")
        assert namespaces.of(pid) == f"/proc/{pid}/ns/net"
        forks._parents[pid] = Process(pid, pid), Process(1, 1)
        probe._hung[pid, pid] = math.inf
        probe._hung["socket", f"/run/{pid}"] = time.monotonic() + (pid - 505) * 1000
    following = NetworkNamespaces(tree.roots, namespaces)
    for known in (following, forks):
        known.keep({505})
    probe.forget(lambda pid, _: pid != 505)
    assert following._first_pids == {"net:[505]": 505}
    assert list(forks._parents) == [505]
    assert probe._hung.keys() == {(505, 505), *(("socket", f"/run/{pid}") for pid in range(506, 510))}
