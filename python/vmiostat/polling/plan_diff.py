"""Which row of a new plan continues a row of the old one: the same device of the same run of the same domain."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from vmiostat.counter_sources import NetDevice
from vmiostat.model import Domain, Process
from vmiostat.polling.plan import BlockRow, InterfaceRow, plan_rows


class PlanDiff(NamedTuple):
    """For each row of the new plan the number of the old row that is carried over to it, or None for a new row."""

    block: list[int | None]
    interface: list[int | None]


def plan_diff(old: Iterable[Domain], new: Iterable[Domain]) -> PlanDiff:
    """Which rows of `plan_rows(old)` are carried over to rows of `plan_rows(new)`."""
    old = list(old)
    before, after = _rows(old), _rows(_under_old_names(old, list(new)))
    return PlanDiff(*(_carried_over(was, now) for was, now in zip(before, after, strict=True)))


Row = tuple[BlockRow | InterfaceRow, Domain]
"""A row of the plan, which names the device and (by ifindex or diskseq) identifies it; and its domain."""


def _under_old_names(old: Iterable[Domain], new: Collection[Domain]) -> Iterator[Domain]:
    """The new domains under their old names: a domain can be renamed while it runs, and its UUID identifies it.

    During a migration within the host there are two domains of one UUID; in the end the new one gets the name.
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


def _carried_over(old: list[Row], new: list[Row]) -> list[int | None]:
    by_device: defaultdict[tuple[object, ...], list[int]] = defaultdict(list)
    for number, (row, _) in enumerate(old):
        by_device[_device(row)].append(number)
    carried_over: list[int | None] = []
    for row, domain in new:
        numbers = by_device.get(_device(row), [])
        same = next((number for number in numbers if _same_run(old[number][1], domain)), None)
        if same is not None:
            numbers.remove(same)
        carried_over.append(same)
    return carried_over


def _device(row: BlockRow | InterfaceRow) -> tuple[object, ...]:
    """The row without the path of its network namespace: that has a pid, another one after the first process ends.

    The namespace of a domain does not change while it runs, and in it the ifindex identifies the interface.
    """
    domain, name, source, *swap_rx_tx = row
    if isinstance(source, NetDevice) and None not in (source.namespace, source.index):
        return domain, name, source.name, source.index, *swap_rx_tx
    return row


def _same_run(old: Domain, new: Domain) -> bool:
    """Whether nothing shows that these are two domains, or two runs of one."""
    return _may_equal(old.uuid, new.uuid) and _may_equal(old.id, new.id) and _same_process(old.process, new.process)


def _same_process(old: Process | None, new: Process | None) -> bool:
    if old is None or new is None:
        return True
    return old.pid == new.pid and _may_equal(old.started, new.started)


def _may_equal(one: object, other: object) -> bool:
    return one is None or other is None or one == other
