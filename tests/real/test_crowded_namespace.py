"""A VM's interface among thousands of others in a network namespace of a container: a poll pays for the VM's alone."""

import subprocess
from collections.abc import Iterator

import pytest

from testkit.real.needs import need_devices
from testkit.real.own_number import OWN_NUMBER
from testkit.until import until
from vmiostat import Poller, Roots
from vmiostat.counter_sources import NetDevice
from vmiostat.model import Domain, Interface
from vmiostat.polling.followed_plan import FollowedPlan
from vmiostat.watching.event_sources import EventSources
from vmiostat.watching.watch import Watch

PAIRS = 500
MOST_CALLS = 10
"""System calls of a poll of one interface. A pass over the others takes 30 and more."""


@pytest.fixture
def name() -> Iterator[str]:
    """A namespace with the interface of a VM, whose number is above those of the others to come."""
    need_devices()
    made = f"vmiostat-crowd-{OWN_NUMBER}"
    subprocess.run(["ip", "netns", "add", made], check=True)
    try:
        vm0 = ["link", "add", "vm0", "index", "900000", "type", "veth", "peer", "name", "vm0-peer"]
        subprocess.run(["ip", "-n", made, *vm0], check=True)
        yield made
    finally:
        subprocess.run(["ip", "netns", "del", made], check=True)


def crowd(name: str) -> None:
    pair = "link add a{} index {} type veth peer name b{} index {}\n"
    text = "".join(pair.format(one, 1000 + one, one, 5000 + one) for one in range(PAIRS))
    subprocess.run(["ip", "-n", name, "-batch", "-"], input=text, text=True, check=True)


def calls(poller: Poller) -> int:
    (explained,) = poller.explain()
    return explained.system_calls


def test_a_plan_of_a_crowded_namespace(name: str) -> None:
    crowd(name)
    with Poller(Roots(), [], [("a", "vm0", NetDevice("vm0", f"/run/netns/{name}"), False)]) as poller:
        assert poller.poll().interface[0].state == "ok"
        # Netlink's thread on a busy machine may miss the deadline, and then the poll reads the file.
        until(lambda: (poller.poll(), calls(poller))[1] < MOST_CALLS)
        assert "RTM_GETSTATS" in str(poller.explain())


def test_a_namespace_that_is_crowded_afterwards(name: str) -> None:
    domain = Domain("a", interfaces=(Interface("vm0", counter_source=NetDevice("vm0", f"/run/netns/{name}", 900000)),))
    roots = Roots()

    def watch(on_change: object) -> Watch:
        return Watch(lambda _: ([domain], []), lambda: EventSources(roots, []), 0.1, on_change)  # type: ignore[arg-type]

    core = Poller(roots, [], [])._core
    plan = FollowedPlan(core, watch, None, None)
    try:
        sources = [explained.source for explained in core.explain()]
        assert sources == ["/proc/thread-self/net/dev"]
        before = core.poll()
        crowd(name)
        until(lambda: sum(explained.system_calls for explained in core.explain()) < MOST_CALLS)
        until(lambda: "RTM_GETSTATS" in core.explain()[0].source)
        (row,) = core.poll().rates(before).interface
        # Messages about so many changes are lost, and nothing else tells devices apart: /sys shows another namespace.
        assert row.state in ("ok", "replaced"), "it goes on being the same row"
        before = core.poll()
        (row,) = core.poll().rates(before).interface
        assert row.state == "ok"
    finally:
        plan.close()
        core.close()
