"""Which row of a new plan continues a row of the old one: the same device of the same run of the same domain."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from vmiostat.counter_sources import NetDevice
from vmiostat.model import Domain, Process
from vmiostat.polling.plan import BlockRow, InterfaceRow, plan_rows


class PlanDiff(NamedTuple):
    """For each new row the old row that it continues, or None."""

    block: list[int | None]
    interface: list[int | None]


def plan_diff(old: Iterable[Domain], new: Iterable[Domain]) -> PlanDiff:
    """For the plans that `plan_rows` makes of these domains."""
    old = list(old)
    before, after = _rows(old), _rows(_under_old_names(old, list(new)))
    return PlanDiff(*(_kept(was, now) for was, now in zip(before, after, strict=True)))


Row = tuple[BlockRow | InterfaceRow, Domain]
"""A row: its names, the counters (with the device's identity: ifindex, diskseq), whether it is swapped; its domain."""


def _under_old_names(old: Iterable[Domain], new: Collection[Domain]) -> Iterator[Domain]:
    """The new domains under the names that they had: one that runs may be renamed, and is known by its UUID.

    One that is migrated within its host is beside itself meanwhile, and takes the name over in the end.
    """
    by_uuid: defaultdict[str, list[Domain]] = defaultdict(list)
    for domain in old:
        if domain.uuid is not None:
            by_uuid[domain.uuid].append(domain)
    names = [[known.name for known in by_uuid.get(domain.uuid or "", ()) if _same_run(known, domain)] for domain in new]
    still = {domain.name for domain, had in zip(new, names, strict=True) if not had or domain.name in had}
    for domain, had in zip(new, names, strict=True):
        was = None if domain.name in still else next((name for name in had if name not in still), None)
        yield domain if was is None else replace(domain, name=was)


def _rows(domains: Iterable[Domain]) -> tuple[list[Row], list[Row]]:
    block: list[Row] = []
    interface: list[Row] = []
    for domain in domains:
        rows = plan_rows([domain])
        block += [(row, domain) for row in rows.block]
        interface += [(row, domain) for row in rows.interface]
    return block, interface


def _kept(old: list[Row], new: list[Row]) -> list[int | None]:
    there: defaultdict[tuple[object, ...], list[int]] = defaultdict(list)
    for number, (row, _) in enumerate(old):
        there[_device(row)].append(number)
    kept: list[int | None] = []
    for row, domain in new:
        numbers = there.get(_device(row), [])
        same = next((number for number in numbers if _same_run(old[number][1], domain)), None)
        if same is not None:
            numbers.remove(same)
        kept.append(same)
    return kept


def _device(row: BlockRow | InterfaceRow) -> tuple[object, ...]:
    """The row without what its namespace is called, by one of its processes now and by another when that has ended.

    A domain's namespace does not change while it runs, and in it the interface's number tells which it is.
    """
    domain, name, counters, *swapped = row
    if isinstance(counters, NetDevice) and None not in (counters.namespace, counters.index):
        return domain, name, counters.name, counters.index, *swapped
    return row


def _same_run(old: Domain, new: Domain) -> bool:
    """Whether they may be one run of one domain: nothing shows that they are two, or that it was restarted."""
    return _may_be(old.uuid, new.uuid) and _may_be(old.id, new.id) and _same_process(old.process, new.process)


def _same_process(old: Process | None, new: Process | None) -> bool:
    if old is None or new is None:
        return True
    return old.pid == new.pid and _may_be(old.started, new.started)


def _may_be(one: object, other: object) -> bool:
    return one is None or other is None or one == other
