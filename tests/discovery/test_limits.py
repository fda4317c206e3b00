"""What a flood of names, devices, descriptors, processes and problems costs: what goes beyond the limits is cut."""

from pathlib import Path
from typing import cast

import pytest

from testkit.trees.processes import ProcessTree
from vmiostat import Host, Roots
from vmiostat.discovery import limits
from vmiostat.discovery.provider import ScanContext
from vmiostat.discovery.vmm.machine_budget import MachineBudget
from vmiostat.discovery.vmm.processes import VmmProcesses
from vmiostat.errors import Error


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
    cards = [word for number in range(10) for word in ("-netdev", f"user,id=n{number}")]
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


class Owners:
    """A /proc whose processes belong to user 1000 up to pid 999, then to root."""

    captured = False

    def read_or_none(self, path: str) -> bytes | None:
        pid = int(path.removeprefix("/proc/").removesuffix("/status"))
        return b"Name:\ta\nUid:\t%d\t%d\t%d\t%d\n" % ((1000 if pid < 1000 else 0,) * 4) if pid else None

    def shown(self, path: str) -> str:
        return path


def admitted(pids: range) -> tuple[list[int], list[Error]]:
    budget = MachineBudget(cast(Roots, Owners()))
    found = []
    for pid in pids:
        if budget.has_room(pid):
            budget.add(pid)
            found.append(pid)
    return found, list(budget.problems())


def test_no_user_but_root_has_more_than_so_many_machines() -> None:
    found, problems = admitted(range(500, 2000))
    assert found == [*range(500, 500 + limits.MACHINES_OF_A_USER), *range(1000, 2000)]
    (problem,) = problems
    assert f"(244 of user 1000): up to {limits.MACHINES_OF_A_USER}" in str(problem)


def test_there_are_no_more_than_so_many_machines_in_all() -> None:
    found, problems = admitted(range(1000, 1001 + limits.MACHINES))
    assert found == list(range(1000, 1000 + limits.MACHINES))
    assert "(1 of user 0)" in str(problems[0])
    assert admitted(range(5)) == ([0, 1, 2, 3, 4], [])


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
