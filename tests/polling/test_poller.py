"""A poller of a host's domains, or of a plan of one's own."""

import gc
import inspect
import weakref
from dataclasses import replace
from pathlib import Path

import pytest

from testkit.fixture_trees import DOMAIN_XML, XEN
from testkit.watches import watch_threads
from vmiostat import Host, NetDevice, Poller, Roots, SizeError

LO = ("host", "lo", NetDevice("lo"), False)


def test_a_plan_of_ones_own() -> None:
    with Poller(Roots(), [("web1", "vda", None)], [LO]) as poller:
        assert (poller.domains, poller.problems, poller.watch) == ((), (), None)
        assert (poller.block_rows, poller.interface_rows, poller.closed) == (1, 1, False)
        assert not poller.query()
        assert repr(poller) == "<Poller of 1 block devices and 1 interfaces>"
        poller.replan([], [LO, LO], [], [0, None])
        assert (poller.block_rows, poller.interface_rows) == (0, 2)
    assert poller.closed


def test_the_domains_and_problems_of_a_host_s_poller(tmp_path: Path) -> None:
    path = tmp_path / "bad.xml"
    path.write_text("<domain")
    host = Host(XEN / "instant-1", xml=[path, DOMAIN_XML / "xen-running.xml"])
    with host.poller() as poller:
        assert [domain.name for domain in poller.domains] == [domain.name for domain in host.domains()] != []
        assert [str(problem) for problem in poller.problems] == [str(problem) for problem in host.problems] != []
        assert poller.watch is None
        with pytest.raises(ValueError, match="made by hand"):
            poller.replan([], [], [], [])
    chosen = [replace(domain, interfaces=()) for domain in host.domains()]
    with host.poller(chosen) as poller:
        assert poller.domains == tuple(chosen)
        assert poller.problems == ()
        assert poller.interface_rows == 0


def test_a_poll_is_the_core_s_own_call_and_documented() -> None:
    with Poller(Roots(), [], [LO]) as poller:
        assert inspect.isbuiltin(poller.poll)
        assert inspect.isbuiltin(poller.poll_into)
        with pytest.raises(SizeError):
            poller.poll_into(interface=bytearray(1))
    for call in ("poll", "poll_into"):
        assert "Raises\n" in (inspect.getdoc(getattr(Poller, call)) or "")


def test_a_deleted_poller_is_freed() -> None:
    poller = Host().poller()
    gone = weakref.ref(poller)
    poll = poller.poll
    del poller
    gc.collect()
    assert gone() is None
    poll()  # what still holds the call holds the handles


@pytest.mark.parametrize("interval", [0, -1.0, float("inf"), float("nan")])
def test_the_interval_of_full_scans_is_a_number_of_seconds(interval: float) -> None:
    for open_ in (Host().follow, Host().watch):
        with pytest.raises(ValueError, match="interval must be a number of seconds above 0"):
            open_(interval=interval)
    assert watch_threads() == []
