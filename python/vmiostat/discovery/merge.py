"""Merges the domains of all providers: one that several of them find is one domain, as the first of them sees it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from vmiostat.model import Domain

Key = tuple[str, str | int]


def merge_domains(found: Iterable[Domain]) -> tuple[Domain, ...]:
    """Each domain once, in the order given, identified by its UUID, its process or its Xen domid.

    A later view of a domain adds the process or UUID that the first one lacks. Of two domains with the same name the
    later one is called NAME@PID, so that their rows can be distinguished.
    """
    seen: list[Domain] = []
    indexes: dict[Key, int] = {}
    for domain in found:
        index = next((indexes[key] for key in _keys(domain) if key in indexes), None)
        if index is None or _differ(seen[index], domain):
            index = len(seen)
            seen.append(domain)
        else:
            first = seen[index]
            process, uuid = first.process or domain.process, first.uuid or domain.uuid
            if (process, uuid) != (first.process, first.uuid):
                seen[index] = replace(first, process=process, uuid=uuid)
        for key in _keys(seen[index]):
            indexes.setdefault(key, index)
    return tuple(_under_unique_names(seen))


def _keys(domain: Domain) -> Iterator[Key]:
    if domain.uuid is not None:
        yield "uuid", domain.uuid
    if domain.process is not None:
        yield "process", domain.process.pid
    if domain.type == "xen" and domain.id is not None:
        yield "xen", domain.id


def _differ(one: Domain, other: Domain) -> bool:
    """Two processes are two machines, even with the same UUID; so are two Xen domids."""
    if one.type == other.type == "xen" and one.id is not None and other.id is not None and one.id != other.id:
        return True  # a migration within this host, or a restart before the old domain is completely gone
    return one.process is not None and other.process is not None and one.process.pid != other.process.pid


def _under_unique_names(domains: Iterable[Domain]) -> Iterator[Domain]:
    names: set[str] = set()
    for domain in domains:
        name = domain.name
        if name in names:
            name = f"{domain.name}@{domain.process.pid if domain.process else domain.uuid or domain.id}"
        while name in names:
            name += "+"
        names.add(name)
        yield domain if name == domain.name else replace(domain, name=name)
