"""One domain as one document defines it, and what to do when two documents define one domain."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from vmiostat.discovery.provider import Found
from vmiostat.errors import TopologyError
from vmiostat.model import Domain


@dataclass(frozen=True, slots=True)
class Definition:
    """A domain, where it is written, and what in it could not be used."""

    domain: Domain
    path: str
    line: int | None
    live: bool
    """It tells of a running domain: its id and the names of its interfaces are today's."""
    problems: tuple[TopologyError, ...] = ()

    @property
    def where(self) -> str:
        return self.path if self.line is None else f"{self.path}:{self.line}"


Version = tuple[int, int, int]
"""A file's inode, time of its last change, and size."""


class Defined(NamedTuple):
    """What a file defines, and which version of it."""

    version: Version | None
    definition: Definition | TopologyError


def merge_definitions(definitions: Iterable[Definition], problems: Iterable[TopologyError] = ()) -> Found:
    """The domains in the order given, each name and each UUID once; a problem for each that is left out.

    A running domain's definition goes before a stored one. Between equals the first stays. A stored definition beside
    the running one of the same domain is no problem: libvirt itself keeps both.
    """
    definitions = list(definitions)
    told = list(problems)
    by_name: dict[str, Definition] = {}
    by_uuid: dict[str, Definition] = {}
    for new in sorted(definitions, key=lambda definition: not definition.live):
        domain = new.domain
        old = by_name.get(domain.name) or (by_uuid.get(domain.uuid) if domain.uuid else None)
        if old is None:
            by_name[domain.name] = new
            if domain.uuid:
                by_uuid[domain.uuid] = new
        elif not (old.live and not new.live and _same(old.domain, domain)):
            told.append(_left_out(new, old))
    kept = {id(definition) for definition in by_name.values()}
    chosen = [definition for definition in definitions if id(definition) in kept]
    told.extend(problem for definition in chosen for problem in definition.problems)
    return Found(tuple(definition.domain for definition in chosen), tuple(told))


def _same(one: Domain, other: Domain) -> bool:
    return one.name == other.name and (one.uuid == other.uuid or None in (one.uuid, other.uuid))


def _left_out(new: Definition, old: Definition) -> TopologyError:
    shared = "name" if new.domain.name == old.domain.name else f"UUID {old.domain.uuid}"
    return TopologyError(
        f"domain {new.domain.name!r} is left out: domain {old.domain.name!r}, defined in {old.where}, "
        f"has the same {shared}, and their rows could not be told apart",
        new.path,
        new.line,
    )
