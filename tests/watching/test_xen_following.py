"""Following Xen domains and their devices through xenstore and sysfs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.fakes.xenstored import FakeXenstored, running
from testkit.trees.xen import XenTree
from testkit.until import until
from testkit.watches import NEVER
from vmiostat import Host, Poller, Roots
from vmiostat.watching import event_sources
from vmiostat.watching.xenstore_changes import XenstoreChanges

BACKENDS = "/local/domain/0/backend"
XVDA, XVDB = 51712, 51728
UUID = "ea1b1a9e-0000-4000-8000-000000000001"


@pytest.fixture
def tree(tmp_path: Path) -> XenTree:
    tree = XenTree(tmp_path / "machine")
    tree.domain(1, "web1", UUID)
    tree.vbd(1, XVDA, "xvda", 100)
    tree.vif(1, 0, "vif1.0")
    tree.interfaces({"vif1.0": 10})
    return tree


@pytest.fixture
def daemon(tree: XenTree) -> Iterator[FakeXenstored]:
    with running(tree.root, tree.store) as daemon:
        yield daemon


@pytest.fixture
def poller(tree: XenTree, daemon: FakeXenstored) -> Iterator[Poller]:
    with Host(tree.root).follow(interval=NEVER) as poller:
        yield poller


def rows(poller: Poller) -> list[tuple[str, str, str, int]]:
    sample = poller.poll()
    block, interface = sample.block, sample.interface
    return [
        *(
            (domain, device, row.state, row.rd_req)
            for domain, device, row in zip(block.domains, block.devices, block, strict=True)
        ),
        *(
            (domain, device, row.state, row.rx_bytes)
            for domain, device, row in zip(interface.domains, interface.devices, interface, strict=True)
        ),
    ]


def test_a_disk_added_before_its_statistics(tree: XenTree, daemon: FakeXenstored, poller: Poller) -> None:
    before = [("web1", "xvda", "ok", 100), ("web1", "xvdb", "gone", -1), ("web1", "vif1.0", "ok", 10)]
    tree.vbd(1, XVDB, "xvdb", None)
    daemon.write_event(f"{BACKENDS}/vbd/1/{XVDB}/state")
    until(lambda: rows(poller) == before)
    tree.vbd(1, XVDB, "xvdb", 7)  # the hotplug script has ended
    daemon.write_event(f"{BACKENDS}/vbd/1/{XVDB}/state")
    until(lambda: rows(poller) == [before[0], ("web1", "xvdb", "ok", 7), before[2]])


def test_a_rescan_finds_statistics_without_an_event(tree: XenTree, daemon: FakeXenstored, poller: Poller) -> None:
    tree.vbd(1, XVDB, "xvdb", None)
    daemon.write_event(f"{BACKENDS}/vbd/1/{XVDB}/state")
    until(lambda: len(rows(poller)) == 3)
    tree.vbd(1, XVDB, "xvdb", 7)
    until(lambda: ("web1", "xvdb", "ok", 7) in rows(poller))


def test_a_domain_that_restarts_with_another_id_keeps_its_name(
    tree: XenTree, daemon: FakeXenstored, poller: Poller
) -> None:
    before = poller.poll()
    tree.end(1)
    tree.domain(2, "web1", UUID)
    tree.vbd(2, XVDA, "xvda", 3)
    tree.vif(2, 0, "vif2.0")
    tree.interfaces({"vif2.0": 20})
    daemon.write_event("@introduceDomain")
    until(lambda: rows(poller) == [("web1", "xvda", "ok", 3), ("web1", "vif2.0", "ok", 20)])
    # The rows are replaced first.
    until(lambda: [(domain.id, domain.uuid) for domain in poller.domains] == [(2, UUID)])
    after = poller.poll()
    assert after.block[0].generation > before.block[0].generation
    assert after.rates(before).block[0].state == "replaced"


def generations(poller: Poller, domain: str) -> list[int]:
    sample = poller.poll()
    return [sample.block[domain, "xvda"].generation, sample.interface[domain, sample.interface.devices[0]].generation]


def test_a_domain_that_is_renamed_keeps_its_devices(tree: XenTree, daemon: FakeXenstored, poller: Poller) -> None:
    before = generations(poller, "web1")
    tree.store["/local/domain/1/name"] = "web2"
    daemon.write_event("@introduceDomain")
    until(lambda: rows(poller) == [("web2", "xvda", "ok", 100), ("web2", "vif1.0", "ok", 10)])
    assert generations(poller, "web2") == before


def test_a_domain_that_is_migrated_within_its_host_keeps_its_name(
    tree: XenTree, daemon: FakeXenstored, poller: Poller
) -> None:
    first = poller.poll()
    tree.domain(2, "web1", UUID)
    tree.vbd(2, XVDA, "xvda", 3)
    daemon.write_event("@introduceDomain")
    second = f"web1@{UUID}"
    until(lambda: (second, "xvda", "ok", 3) in rows(poller))
    both = poller.poll()
    assert both.rates(first).block["web1", "xvda"].state == "ok"
    tree.end(1)
    daemon.write_event("@releaseDomain")
    until(lambda: rows(poller) == [("web1", "xvda", "ok", 3)])
    last = poller.poll()
    rate = last.rates(both).block["web1", "xvda"]
    assert (rate.state, rate.rd_req) == ("ok", 0.0)  # of the row that goes on, and not of the one that had its name
    assert last.block["web1", "xvda"].generation == both.block[second, "xvda"].generation


def test_a_frontend_that_disconnects_causes_no_spike(tree: XenTree, daemon: FakeXenstored, poller: Poller) -> None:
    before = poller.poll()
    tree.vbd(1, XVDA, "xvda", 0)
    tree.interfaces({"vif1.0": 0})
    closed = poller.poll()
    tree.vbd(1, XVDA, "xvda", 5)
    tree.interfaces({"vif1.0": 5})
    after = poller.poll()
    for rates, state in ((closed.rates(before), "reset"), (after.rates(closed), "ok"), (after.rates(before), "reset")):
        for row in (rates.block[0], rates.interface[0]):
            assert row.state == state
    assert (after.block[0].state, after.block[0].rd_req) == ("ok", 5)


def test_a_vif_that_is_renamed_is_followed(tree: XenTree, daemon: FakeXenstored, poller: Poller) -> None:
    tree.vif(1, 0, "lan-web1")
    tree.interfaces({"lan-web1": 11, "vif11.0": 12})
    daemon.write_event(f"{BACKENDS}/vif/1/0/vifname")
    until(lambda: rows(poller)[1:] == [("web1", "lan-web1", "ok", 11)])


def test_the_watched_paths(tree: XenTree, daemon: FakeXenstored) -> None:
    changes = XenstoreChanges(Roots(tree.root))
    try:
        until(lambda: changes.drain())  # each watch fires at once
        until(lambda: len(daemon.watched) == 3)
        changes.drain()

        def calls_for_scan(path: str) -> bool:
            daemon.write_event(path)
            return changes.drain()

        assert calls_for_scan("@introduceDomain")
        assert calls_for_scan("@releaseDomain")
        for path in (
            "vbd/1/51712/state",
            "vbd3/1/51712/kthread-pid",
            "qdisk/1/51712",
            "tap/1",
            "vif",
            "vif/1/0/vifname",
        ):
            assert calls_for_scan(f"{BACKENDS}/{path}"), path
        for path in ("console/1/0/state", "vkbd/1/0", "vbdx"):
            assert not calls_for_scan(f"{BACKENDS}/{path}"), path
        daemon.close()
        with pytest.raises(OSError, match="closed"):
            until(changes.drain)
    finally:
        changes.close()


def test_an_invalid_message_ends_the_source(tree: XenTree, daemon: FakeXenstored) -> None:
    daemon.instead = lambda *_: [b"\xff" * 64]
    changes = XenstoreChanges(Roots(tree.root))
    with pytest.raises(OSError, match="announced"):
        until(changes.drain)
    changes.close()


def test_a_xenstored_that_starts_late_or_restarts_is_watched(tree: XenTree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_sources, "_RETRY", 0.0)
    with Host(tree.root).watch(interval=0.1) as watch:
        watch.wait()
        assert [domain.name for domain in watch.domains] == ["Domain-1"]
        for _ in range(2):
            with running(tree.root, tree.store) as daemon:
                until(lambda daemon=daemon: len(daemon.watched) == 3)  # type: ignore[misc]
                until(lambda: (watch.problems, [domain.name for domain in watch.domains]) == ((), ["web1"]))
            until(lambda: "no event announces when Xen domains come or go" in str(watch.problems))
            (tree.root / "run/xenstored/socket").unlink()
