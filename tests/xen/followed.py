"""A following poller that polls and polls while something changes, and what must be true of all that it saw."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby, pairwise
from typing import Any

from testkit.polls import Polls
from testkit.real.process import descriptors
from vmiostat import BlockRatesTable, BlockStats, Host, InterfaceRatesTable, InterfaceStats, Sample
from vmiostat.system.probe.pool import AT_ONCE

_WITHIN = 60.0


class Followed:
    """What polls have seen so far."""

    def __init__(self, polls: Polls) -> None:
        self.polls = polls

    def disk(self, guest: str, target: str) -> list[list[BlockStats]]:
        """The rows with numbers that a disk of this name had; a list of each generation."""
        return _by_generation(_disk(poll.sample, guest, target) for poll in self.polls.seen)

    def nic(self, guest: str, target: str) -> list[list[InterfaceStats]]:
        """The same of an interface."""
        return _by_generation(_nic(poll.sample, guest, target) for poll in self.polls.seen)

    def wait_for_disk(self, guest: str, target: str, what: Callable[[BlockStats], object]) -> None:
        """Waits until a poll shows such numbers of a disk."""
        self.polls.wait_for(lambda sample: (row := _disk(sample, guest, target)) is not None and what(row), _WITHIN)

    def wait_for_nic(self, guest: str, target: str, what: Callable[[InterfaceStats], object]) -> None:
        """Waits until a poll shows such numbers of an interface."""
        self.polls.wait_for(lambda sample: (row := _nic(sample, guest, target)) is not None and what(row), _WITHIN)

    def wait_until_gone(self, guest: str, target: str) -> None:
        """Waits until no disk and no interface of this name has numbers."""

        def gone(sample: Sample) -> bool:
            return _disk(sample, guest, target) is None and _nic(sample, guest, target) is None

        self.polls.wait_for(gone, _WITHIN)


@contextmanager
def followed(host: Host, at_most: int) -> Iterator[Followed]:
    """Polls meanwhile. At the end no rate may be above what `at_most` bytes make, and no file may be left open."""
    with host.follow() as poller:
        poller.poll()  # what is made once is made
    before = descriptors()
    with host.follow() as poller, Polls(poller.poll, interval=0.1) as polls:
        polls.wait_for(lambda sample: True)
        yield Followed(polls)
    assert descriptors() <= before + AT_ONCE, "but for helper processes that wait for calls"
    _check_rates([poll.sample for poll in polls.seen], at_most)


def _row(table: Any, guest: str, target: str) -> Any:
    """A row that has numbers, else None."""
    names = list(zip(table.domains, table.devices, strict=True))
    row = table[names.index((guest, target))] if (guest, target) in names else None
    return row if row is not None and row.state == "ok" else None


def _disk(sample: Sample, guest: str, target: str) -> BlockStats | None:
    row: BlockStats | None = _row(sample.block, guest, target)
    return row


def _nic(sample: Sample, guest: str, target: str) -> InterfaceStats | None:
    row: InterfaceStats | None = _row(sample.interface, guest, target)
    return row


def _by_generation(rows: Any) -> list[list[Any]]:
    groups = groupby((row for row in rows if row is not None), key=lambda row: row.generation)
    generations = [(generation, list(group)) for generation, group in groups]
    numbers = [generation for generation, _ in generations]
    assert numbers == sorted(set(numbers)), "a generation that has ended is back"
    return [group for _, group in generations]


def _check_rates(samples: list[Sample], at_most: int) -> None:
    """From each to the next, and over longer stretches, in which several devices may have had a name."""
    for before, after in [*pairwise(samples), *zip(samples, samples[25:], strict=False), (samples[0], samples[-1])]:
        rates = after.rates(before)
        _check(rates.block, ("rd_req", "rd_bytes", "wr_req", "wr_bytes"), at_most)
        _check(rates.interface, ("rx_bytes", "rx_packets", "tx_bytes", "tx_packets"), at_most)


def _check(table: BlockRatesTable | InterfaceRatesTable, fields: tuple[str, ...], at_most: int) -> None:
    for row in range(len(table)):
        rate = table[row]
        for field in fields:
            value, interval = getattr(rate, field), rate.interval
            if value is not None and interval is not None:
                assert 0 <= value * interval <= at_most, (table.domains[row], table.devices[row], field, rate)
