"""When a watch scans, and whether fully: after an event, in a storm of events, while definitions are being written."""

import time
from collections.abc import Callable

import pytest

from testkit.trees.libvirt import LibvirtTree
from testkit.until import until
from testkit.watches import NEVER, found, names, watching
from vmiostat import Domain, Error
from vmiostat.watching.event_sources import EventSources


class Scans:
    """Each scan finds a domain named after its number. `full` has for each whether it was a full scan."""

    def __init__(self, during: Callable[[int], object] = lambda number: None) -> None:
        """`during` is called in each scan, with its number."""
        self.full: list[bool] = []
        self._during = during

    def __call__(self, full: bool) -> tuple[list[Domain], tuple[Error, ...]]:
        self.full.append(full)
        number = len(self.full)
        self._during(number)
        return found(f"scan {number}")


def test_only_the_first_scans_after_an_event_are_partial(tree: LibvirtTree) -> None:
    scans = Scans()
    with watching(scans, tree.root, NEVER) as watch:
        assert watch.wait(timeout=10)
        tree.start("web1")
        until(lambda: len(scans.full) == 5)
    # The first of all; at once, after 0.1, 0.5 and 2 seconds.
    assert scans.full == [True, False, False, True, True]


@pytest.mark.parametrize(("writes", "counts"), [([2, 3], "scan 4"), ([2, 3, 4, 5, 6, 7, 8], "scan 5")])
def test_a_scan_during_which_a_definition_was_written_is_discarded(
    tree: LibvirtTree, writes: list[int], counts: str
) -> None:
    """Unless that goes on and on."""

    def write(number: int) -> None:
        if number in writes:
            tree.start("web1")

    with watching(Scans(write), tree.root, NEVER) as watch:
        assert watch.wait(timeout=10)
        assert names(watch) == ["scan 1"]
        tree.start("web1")
        assert watch.wait(1, timeout=10)
        assert next(iter(watch))[0].name == counts


def test_a_discarded_scan_is_repeated(tree: LibvirtTree) -> None:
    """Whatever was written: here it is not a definition."""
    pid_file = tree.folder / "web1.pid"
    with watching(Scans(lambda number: number == 1 and pid_file.write_text("1")), tree.root, NEVER) as watch:
        assert watch.wait(timeout=10)
        assert names(watch) == ["scan 2"]


def test_a_storm_of_events_does_not_put_off_a_full_scan(tree: LibvirtTree) -> None:
    scans = Scans()
    with watching(scans, tree.root, NEVER) as watch:
        assert watch.wait(timeout=10)
        start = time.monotonic()
        while scans.full.count(True) < 3:
            tree.start("web1")
            time.sleep(0.001)
            assert time.monotonic() < start + 30
    assert time.monotonic() > start + 2 * 0.5
    assert scans.full.count(False) > 10


def work(number: int = 0) -> None:
    begun = time.thread_time()
    while time.thread_time() - begun < 0.2:
        pass


def test_a_storm_of_events_uses_half_of_a_cpu_in_the_end(tree: LibvirtTree) -> None:
    scans = Scans(work)
    start = time.monotonic()
    with watching(scans, tree.root, NEVER):
        while time.monotonic() < start + 3:
            tree.start("web1")
            time.sleep(0.001)
    # Without pauses it would be four fifths.
    assert 2 <= len(scans.full) <= (0.2 + (time.monotonic() - start) / 2 + 0.2) / 0.2


@pytest.mark.parametrize("announces", [True, False])
def test_a_storm_of_messages_uses_half_of_a_cpu(
    tree: LibvirtTree, monkeypatch: pytest.MonkeyPatch, announces: bool
) -> None:
    """Reading them takes its share, whether they announce anything or not."""
    reads = 0

    def read(sources: EventSources, seconds: float) -> bool:
        nonlocal reads
        reads += 1
        work()
        return announces

    monkeypatch.setattr(EventSources, "wait", read)
    start = time.monotonic()
    with watching(Scans(lambda number: None), tree.root, NEVER):
        time.sleep(3)
    # Without pauses it would be all of one, fifteen.
    assert 2 <= reads <= (0.4 + (time.monotonic() - start) / 2 + 0.2) / 0.2
