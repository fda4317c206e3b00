"""When a watch looks, and at how much: after a signal, in a storm of them, while definitions are written."""

import time
from collections.abc import Callable

import pytest

from testkit.trees.libvirt import LibvirtTree
from testkit.until import until
from testkit.watches import NEVER, found, names, watching
from vmiostat import Domain, Error


class Looks:
    """Looks that find a domain named after their number, and for each whether it had to see everything anew."""

    def __init__(self, during: Callable[[int], object] = lambda number: None) -> None:
        """`during` is called in each, with its number."""
        self.anew: list[bool] = []
        self._during = during

    def __call__(self, anew: bool) -> tuple[list[Domain], tuple[Error, ...]]:
        self.anew.append(anew)
        number = len(self.anew)
        self._during(number)
        return found(f"look {number}")


def test_only_the_first_looks_after_a_signal_use_what_earlier_ones_saw(tree: LibvirtTree) -> None:
    look = Looks()
    with watching(look, tree.root, NEVER) as watch:
        assert watch.wait(timeout=10)
        tree.start("web1")
        until(lambda: len(look.anew) == 5)
    # The first of all; at once, after 0.1, 0.5 and 2 seconds.
    assert look.anew == [True, False, False, True, True]


@pytest.mark.parametrize(("writes", "told"), [([2, 3], "look 4"), ([2, 3, 4, 5, 6, 7, 8], "look 5")])
def test_a_look_during_which_a_definition_was_written_counts_for_nothing(
    tree: LibvirtTree, writes: list[int], told: str
) -> None:
    """Unless that goes on and on."""

    def write(number: int) -> None:
        if number in writes:
            tree.start("web1")

    with watching(Looks(write), tree.root, NEVER) as watch:
        assert watch.wait(timeout=10)
        assert names(watch) == ["look 1"]
        tree.start("web1")
        assert watch.wait(1, timeout=10)
        assert next(iter(watch))[0].name == told


def test_a_look_that_counted_for_nothing_is_made_again(tree: LibvirtTree) -> None:
    """Whatever was written: here it is no definition."""
    pid_file = tree.folder / "web1.pid"
    with watching(Looks(lambda number: number == 1 and pid_file.write_text("1")), tree.root, NEVER) as watch:
        assert watch.wait(timeout=10)
        assert names(watch) == ["look 2"]


def test_a_storm_of_changes_does_not_put_off_a_look_at_everything(tree: LibvirtTree) -> None:
    look = Looks()
    with watching(look, tree.root, NEVER) as watch:
        assert watch.wait(timeout=10)
        start = time.monotonic()
        while look.anew.count(True) < 3:
            tree.start("web1")
            time.sleep(0.001)
            assert time.monotonic() < start + 10
    assert time.monotonic() > start + 2 * 0.5
    assert look.anew.count(False) > 10


def test_a_storm_of_changes_costs_half_of_a_processor_in_the_end(tree: LibvirtTree) -> None:
    def works(number: int) -> None:
        begun = time.thread_time()
        while time.thread_time() - begun < 0.2:
            pass

    look = Looks(works)
    start = time.monotonic()
    with watching(look, tree.root, NEVER):
        while time.monotonic() < start + 3:
            tree.start("web1")
            time.sleep(0.001)
    # Without a rest it would be four fifths.
    assert 2 <= len(look.anew) <= (0.2 + (time.monotonic() - start) / 2 + 0.2) / 0.2
