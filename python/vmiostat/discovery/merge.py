"""Merges the domains of all providers: one that several of them find is one domain, as the first of them sees it.

A process chooses what its command line says. So a domain that is found by its process takes no name, UUID or id from a
domain of libvirt or Xen, and where two processes claim the same one, neither gets it. Nor does such a domain take it
for its own process, unless root started it: Xen's QEMU is found so.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from vmiostat.discovery.provider import Found
from vmiostat.discovery.vmm.process import PROVIDER
from vmiostat.errors import Error, TopologyError
from vmiostat.model import Domain, Process

Key = tuple[str, str | int]

_MAX_NAMED = 5
"""Claims that one problem names, and processes of each."""


def merge_domains(found: Iterable[Domain], is_roots: Callable[[Process], bool] = lambda _: False) -> Found:
    """Each domain once, in the order given, identified by its UUID, its process or its Xen domid.

    A later view of a domain adds the process or UUID that the first one lacks; an unverified domain is never merged,
    and a domain of libvirt or Xen that has no process gets one of root's only (`is_roots`). Of two domains with the
    same name the later one is called NAME@PID, so that their rows can be distinguished. Two that are found by their
    processes are both called so if they claim the same name, UUID or id; that is a problem.
    """
    domains = list(found)
    clashes = _clashes(domains)
    marked = {pid for pids in clashes.values() for pid in pids}
    seen: list[Domain] = []
    indexes: dict[Key, int] = {}
    for domain in (_without(clashes, domain) for domain in domains):
        index = next((indexes[key] for key in _keys(domain) if key in indexes), None)
        if index is None or _differ(seen[index], domain) or not _belongs(seen[index], domain, is_roots):
            index = len(seen)
            seen.append(domain)
        else:
            first = seen[index]
            process, uuid = first.process or domain.process, first.uuid or domain.uuid
            if (process, uuid) != (first.process, first.uuid):
                seen[index] = replace(first, process=process, uuid=uuid)
        for key in _keys(seen[index]):
            indexes.setdefault(key, index)
    held = {claim for domain in seen if not _is_claiming(domain) for claim in _claims(domain)}
    own = [_without(held, domain) if _is_claiming(domain) else domain for domain in seen]
    return Found(tuple(_under_unique_names(own, marked)), tuple(_problem(clashes)))


def _keys(domain: Domain) -> Iterator[Key]:
    if not domain.verified:
        return
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


def _belongs(first: Domain, claiming: Domain, is_roots: Callable[[Process], bool]) -> bool:
    """Whether what a process says of itself may be believed: that it runs the first domain."""
    if _is_claiming(first) or not _is_claiming(claiming) or claiming.process is None:
        return True
    return first.process is not None or is_roots(claiming.process)


def _is_claiming(domain: Domain) -> bool:
    """Whether only its process says who it is."""
    return domain.provider == PROVIDER


def _claims(domain: Domain) -> Iterator[Key]:
    if domain.uuid is not None:
        yield "UUID", domain.uuid
    if domain.id is not None:
        yield "id", domain.id


def _clashes(domains: Iterable[Domain]) -> dict[Key, list[int]]:
    """The names, UUIDs and ids that several processes claim, and their pids."""
    claimed: dict[Key, list[int]] = defaultdict(list)
    for domain in domains:
        if _is_claiming(domain) and domain.verified and domain.process is not None:
            for claim in (("name", domain.name), *_claims(domain)):
                claimed[claim].append(domain.process.pid)
    return {claim: pids for claim, pids in claimed.items() if len(pids) > 1}


def _without(claims: Iterable[Key], domain: Domain) -> Domain:
    """A domain that is found by its process without these claims; an unverified one has none."""
    if not _is_claiming(domain):
        return domain
    lost = {kind for kind, value in _claims(domain) if not domain.verified or (kind, value) in claims}
    if not lost:
        return domain
    return replace(domain, uuid=None if "UUID" in lost else domain.uuid, id=None if "id" in lost else domain.id)


def _problem(clashes: dict[Key, list[int]]) -> Iterator[Error]:
    if clashes:
        some = [f"the {kind} {value!r} (pid {_some(pids)})" for (kind, value), pids in clashes.items()]
        more = ", ..." if len(some) > _MAX_NAMED else ""
        yield TopologyError(
            f"several processes claim to be the same virtual machine, by {', '.join(some[:_MAX_NAMED])}{more}: each is "
            "called NAME@PID, without the UUID or id; end the false ones, or give each VM a name and UUID of its own",
            "/proc",
        )


def _some(pids: Sequence[int]) -> str:
    return ", ".join(map(str, pids[:_MAX_NAMED])) + (", ..." if len(pids) > _MAX_NAMED else "")


def _under_unique_names(domains: Sequence[Domain], marked: set[int]) -> Iterator[Domain]:
    """In the order given. A name is first come, first served among domains of the same rank."""
    names: dict[int, str] = {}
    taken: set[str] = set()
    for number in sorted(range(len(domains)), key=lambda number: _rank(domains[number], marked)):
        domain = domains[number]
        name = domain.name
        if name in taken or _rank(domain, marked) == _MARKED:
            name = f"{domain.name}@{domain.process.pid if domain.process else domain.uuid or domain.id}"
        while name in taken:
            name += "+"
        taken.add(name)
        names[number] = name
    for number, domain in enumerate(domains):
        yield domain if names[number] == domain.name else replace(domain, name=names[number])


_MARKED = 1


def _rank(domain: Domain, marked: set[int]) -> int:
    """libvirt's and Xen's domains choose first; a process that calls itself NAME@PID comes after those that are."""
    if not _is_claiming(domain):
        return 0
    if not domain.verified:
        return 3
    return _MARKED if domain.process is not None and domain.process.pid in marked else 2
