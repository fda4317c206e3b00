"""The rows of a plan, in the order in which a poll gives them."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from vmiostat.counter_sources import BlockCounterSource, InterfaceCounterSource
from vmiostat.model import Disk, Domain

BlockRow = tuple[str, str, BlockCounterSource | None]
"""Domain, device, where its counters are."""
InterfaceRow = tuple[str, str, InterfaceCounterSource | None, bool]
"""The same, and whether rx and tx are swapped."""


class PlanRows(NamedTuple):
    """What a Poller is made of."""

    block: list[BlockRow]
    interface: list[InterfaceRow]


def plan_rows(domains: Iterable[Domain]) -> PlanRows:
    """Domains in their order, in each its devices in theirs; after its disks what it reads and writes in total."""
    domains = list(domains)
    return PlanRows(
        [(domain.name, disk.target, disk.counter_source) for domain in domains for disk in disks(domain)],
        [
            (domain.name, nic.target, nic.counter_source, nic.swap_rx_tx)
            for domain in domains
            for nic in domain.interfaces
        ],
    )


def disks(domain: Domain) -> Iterator[Disk]:
    """What the block table has a row for."""
    yield from domain.disks
    if domain.total is not None:
        yield domain.total
