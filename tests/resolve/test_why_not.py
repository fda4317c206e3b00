"""The state of a device without a counter source: nothing counts it, a privilege is missing, or it was not found."""

import os
from pathlib import Path

import pytest

from vmiostat import Disk, Domain, Host
from vmiostat._core import Roots
from vmiostat.polling.poller import Poller
from vmiostat.resolve import resolve


def resolved(roots: Roots, source: str, kind: str = "block") -> Domain:
    return resolve(Domain("web1", type="kvm", disks=(Disk("vda", kind, source=source),)), roots)


def state(domain: Domain, root: Path) -> tuple[str, int]:
    with Host(root).poller([domain]) as poller:
        row = poller.poll().block[0]
        return row.state, row.time_ns


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    for folder in ("proc", "sys", "dev"):
        (tmp_path / folder).mkdir()
    return Roots(tmp_path)


def test_nothing_counts_a_file(roots: Roots, tmp_path: Path) -> None:
    assert state(resolved(roots, "/images/web1.qcow2", "file"), tmp_path) == ("unsupported", -1)


def test_a_path_that_is_not_there(roots: Roots, tmp_path: Path) -> None:
    domain = resolved(roots, "/dev/vg0/none-such")
    assert domain.disks[0].reason == "/dev/vg0/none-such cannot be opened: No such file or directory"
    assert state(domain, tmp_path) == ("missing", -1)


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_path_that_this_process_may_not_follow(roots: Roots, tmp_path: Path) -> None:
    (tmp_path / "dev/closed").mkdir(mode=0o700)
    os.seteuid(65534)
    try:
        domain = resolved(roots, "/dev/closed/disk")
    finally:
        os.seteuid(0)
    assert domain.disks[0].reason.endswith("Permission denied")
    assert state(domain, tmp_path) == ("denied", -1)


@pytest.mark.parametrize("word", ["unsupported", "denied", "missing", "unreadable"])
def test_a_plan_of_one_s_own_says_why(word: str, roots: Roots) -> None:
    with Poller(roots, [("web1", "vda", word)], [("web1", "vnet0", word, False)]) as poller:  # type: ignore[list-item]
        sample = poller.poll()
        assert [sample.block[0].state, sample.interface[0].state] == [word, word]
        assert [row.state for row in sample.rates(poller.poll()).block] == [word]
