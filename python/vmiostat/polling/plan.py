"""The rows of a plan, in the order in which a poll gives them."""

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from vmiostat.counter_sources import BlockCounterSource, InterfaceCounterSource
from vmiostat.model import Disk, Domain

BlockRow = (
    tuple[str, str, BlockCounterSource | None] | tuple[str, str, BlockCounterSource | None, Literal["disk", "total"]]
)
"""Domain, device, where its counters are, and whether it is a disk or a total; a disk if it does not say."""
InterfaceRow = tuple[str, str, InterfaceCounterSource | None, bool]
"""Domain, device, where its counters are, and whether rx and tx are swapped."""


class PlanRows(NamedTuple):
    """The rows of both tables."""

    block: list[BlockRow]
    interface: list[InterfaceRow]


def plan_rows(domains: Iterable[Domain]) -> PlanRows:
    """The rows in the order of the domains, and in each in that of its disks, its total and its interfaces."""
    domains = list(domains)
    return PlanRows(
        [
            (domain.name, disk.target, disk.counter_source, "total" if disk is domain.total else "disk")
            for domain in domains
            for disk in disks(domain)
        ],
        [
            (domain.name, nic.target, nic.counter_source, nic.swap_rx_tx)
            for domain in domains
            for nic in domain.interfaces
        ],
    )


def disks(domain: Domain) -> Iterator[Disk]:
    """What has a row in the block table."""
    yield from domain.disks
    if domain.total is not None:
        yield domain.total
