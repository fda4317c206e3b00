"""A domain as one document defines it, and what becomes of two documents that define the same domain."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from vmiostat.discovery.provider import Found
from vmiostat.errors import TopologyError
from vmiostat.model import Domain


@dataclass(frozen=True, slots=True)
class Definition:
    """A domain, where it is defined, and what in its definition could not be used."""

    domain: Domain
    path: str
    line: int | None
    live: bool
    """Whether it describes a running domain, with the current id and interface names."""
    problems: tuple[TopologyError, ...] = ()

    @property
    def where(self) -> str:
        return self.path if self.line is None else f"{self.path}:{self.line}"


Version = tuple[int, int, int]
"""A file's inode, modification time and size."""


class FileDefinition(NamedTuple):
    """What a version of a file defines."""

    version: Version | None
    definition: Definition | TopologyError


def merge_definitions(definitions: Iterable[Definition], problems: Iterable[TopologyError] = ()) -> Found:
    """The domains in the order given, each name and each UUID once; a problem for each one that is left out.

    A running domain's definition takes precedence over a stored one, otherwise the first one does. A stored and a
    running definition of the same domain are no problem, as libvirt itself keeps both.
    """
    definitions = list(definitions)
    found_problems = list(problems)
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
            found_problems.append(_left_out(new, old))
    kept = {id(definition) for definition in by_name.values()}
    chosen = [definition for definition in definitions if id(definition) in kept]
    found_problems.extend(problem for definition in chosen for problem in definition.problems)
    return Found(tuple(definition.domain for definition in chosen), tuple(found_problems))


def _same(one: Domain, other: Domain) -> bool:
    return one.name == other.name and (one.uuid == other.uuid or None in (one.uuid, other.uuid))


def _left_out(new: Definition, old: Definition) -> TopologyError:
    shared = "name" if new.domain.name == old.domain.name else f"UUID {old.domain.uuid}"
    return TopologyError(
        f"domain {new.domain.name!r} is left out: domain {old.domain.name!r}, defined in {old.where}, has the same "
        f"{shared}, and their rows could not be distinguished",
        new.path,
        new.line,
    )
