"""What becomes of a domain that several providers see: it is one domain, as the first of them tells of it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from vmiostat.model import Domain

Key = tuple[str, str | int]


def merge_domains(found: Iterable[Domain]) -> tuple[Domain, ...]:
    """Each domain once, in the order given, by its UUID, its process or Xen domid; and each under a name of its own.

    A later view of a domain adds the process or UUID that the first one lacked. Of two domains with one name the later
    one is called NAME@PID: their rows could not be told apart.
    """
    seen: list[Domain] = []
    places: dict[Key, int] = {}
    for domain in found:
        place = next((places[key] for key in _keys(domain) if key in places), None)
        if place is None or _differ(seen[place], domain):
            place = len(seen)
            seen.append(domain)
        else:
            first = seen[place]
            process, uuid = first.process or domain.process, first.uuid or domain.uuid
            if (process, uuid) != (first.process, first.uuid):
                seen[place] = replace(first, process=process, uuid=uuid)
        for key in _keys(seen[place]):
            places.setdefault(key, place)
    return tuple(_under_names_of_their_own(seen))


def _keys(domain: Domain) -> Iterator[Key]:
    if domain.uuid is not None:
        yield "uuid", domain.uuid
    if domain.process is not None:
        yield "process", domain.process.pid
    if domain.type == "xen" and domain.id is not None:
        yield "xen", domain.id


def _differ(one: Domain, other: Domain) -> bool:
    """Two processes are two machines, also when somebody gave both the same UUID; so are two ids of Xen's."""
    if one.type == other.type == "xen" and one.id is not None and other.id is not None and one.id != other.id:
        return True  # it is being migrated within this host, or has been started anew before it was wholly gone
    return one.process is not None and other.process is not None and one.process.pid != other.process.pid


def _under_names_of_their_own(domains: Iterable[Domain]) -> Iterator[Domain]:
    names: set[str] = set()
    for domain in domains:
        name = domain.name
        if name in names:
            name = f"{domain.name}@{domain.process.pid if domain.process else domain.uuid or domain.id}"
        while name in names:
            name += "+"
        names.add(name)
        yield domain if name == domain.name else replace(domain, name=name)
