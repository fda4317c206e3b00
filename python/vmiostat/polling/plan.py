"""The rows of a plan, in the order in which a poll gives them."""

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from vmiostat.counter_sources import BlockCounterSource, InterfaceCounterSource, WhyNot, why_not
from vmiostat.model import Disk, Domain

_Block = BlockCounterSource | WhyNot | None
BlockRow = tuple[str, str, _Block] | tuple[str, str, _Block, Literal["disk", "total"]]
"""Domain, device, where its counters are or why it has none, and whether it is a disk or a total; a disk if it does not
say."""
InterfaceRow = tuple[str, str, InterfaceCounterSource | WhyNot | None, bool]
"""Domain, device, where its counters are or why it has none, and whether rx and tx are swapped."""


class PlanRows(NamedTuple):
    """The rows of both tables."""

    block: list[BlockRow]
    interface: list[InterfaceRow]


def plan_rows(domains: Iterable[Domain]) -> PlanRows:
    """The rows in the order of the domains, and in each in that of its disks, its total and its interfaces."""
    domains = list(domains)
    return PlanRows(
        [
            (
                domain.name,
                disk.target,
                disk.counter_source or why_not(disk.reason),
                "total" if disk is domain.total else "disk",
            )
            for domain in domains
            for disk in disks(domain)
        ],
        [
            (domain.name, nic.target, nic.counter_source or why_not(nic.reason), nic.swap_rx_tx)
            for domain in domains
            for nic in domain.interfaces
        ],
    )


def disks(domain: Domain) -> Iterator[Disk]:
    """What has a row in the block table."""
    yield from domain.disks
    if domain.total is not None:
        yield domain.total
