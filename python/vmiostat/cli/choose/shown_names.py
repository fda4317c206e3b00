"""`--names`: which name of a domain a table shows."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmiostat import Domain
    from vmiostat.cli.rows import Row

CHOICES = ("libvirt", "title", "nova", "auto")


class ShownNames:
    """The names of the domains of a poller. One without such a name keeps its own; one that two have is told apart."""

    def __init__(self, names: str) -> None:
        self._names = names
        self._domains: tuple[Domain, ...] | None = None
        self._times: Counter[str] = Counter()

    def update(self, domains: Iterable[Domain]) -> None:
        """Counts the names of the current domains."""
        domains = tuple(domains)
        if domains != self._domains:
            self._domains = domains
            self._times = Counter(self._wanted(domain) for domain in domains)

    def __call__(self, row: Row) -> str:
        """That of a row's domain."""
        if row.owner is None or self._names == "libvirt":
            return row.domain
        name = self._wanted(row.owner)
        return f"{name} ({row.domain})" if self._times[name] > 1 else name

    def _wanted(self, domain: Domain) -> str:
        wanted = {
            "title": domain.title,
            "nova": domain.nova_name,
            "auto": domain.nova_name or domain.title,
        }
        return wanted.get(self._names) or domain.name
