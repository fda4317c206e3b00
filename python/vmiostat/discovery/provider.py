"""What a provider gives back: the domains it found, and what kept it from finding others."""

from dataclasses import dataclass

from vmiostat.errors import Error
from vmiostat.model import Domain


@dataclass(frozen=True, slots=True)
class Found:
    """Domains whose devices have no counters yet (see `vmiostat.resolve`), and the problems met on the way.

    A problem costs what it tells of; every other domain is here.
    """

    domains: tuple[Domain, ...] = ()
    problems: tuple[Error, ...] = ()
