"""Which domains and devices a command shows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, TypeVar

from vmiostat import Error
from vmiostat.cli.choose.words import COMMANDS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from vmiostat import Disk, Domain, Interface

    Device = TypeVar("Device", Disk, Interface)

SHOWN = 10
"""Domains that a message lists at most."""


@dataclass(frozen=True)
class Selection:
    """The options that select domains and devices. `selection(domain)` is what they leave of a domain, or None."""

    words: tuple[str, ...] = ()
    """Names, globs and UUIDs of domains; without any, all."""
    devices: tuple[str, ...] = ()
    """Globs of devices; without any, all."""
    excluded: tuple[str, ...] = ()
    """Globs of domains and devices."""
    block: bool = True
    interface: bool = True
    host: bool = False
    """Whether the host itself is shown whatever the words are."""

    @classmethod
    def of(cls, options: argparse.Namespace) -> Selection:
        """That of a command line."""
        return cls(
            tuple(options.domains),
            tuple(options.device),
            tuple(options.exclude),
            options.block or not options.interface,
            options.interface or not options.block,
            options.host,
        )

    def __call__(self, domain: Domain) -> Domain | None:
        """The domain with the devices that are selected; None where none are, or it is not selected itself."""
        named = not self.words or any(matches(domain, word) for word in self.words)
        if not named and not (self.host and domain.type == "host"):
            return None
        if _matches_any(domain.name, self.excluded):
            return None
        disks = tuple(disk for disk in domain.disks if self.block and self._has(disk.target))
        interfaces = tuple(nic for nic in domain.interfaces if self.interface and self._has(nic.target))
        total = domain.total if domain.total and self.block and self._has(domain.total.target) else None
        if self.devices and not (disks or interfaces or total):
            return None
        return replace(domain, disks=disks, interfaces=interfaces, total=total)

    def _has(self, device: str) -> bool:
        return (not self.devices or _matches_any(device, self.devices)) and not _matches_any(device, self.excluded)

    def check(self, domains: Iterable[Domain]) -> None:
        """Raises Error for the first word that matches none of the domains, and for a device that none of them has."""
        domains = list(domains)
        for word in self.words:
            if not any(matches(domain, word) for domain in domains):
                raise Error(_no_domain(word, [domain.name for domain in domains]))
        for glob in self.devices:
            targets = {disk.target for domain in domains for disk in domain.disks}
            targets |= {nic.target for domain in domains for nic in domain.interfaces}
            targets |= {domain.total.target for domain in domains if domain.total}
            if not any(_matches(target, glob) for target in targets):
                raise Error(f"no device matches {glob!r}: `vmiostat devices` lists them")


def matches(domain: Domain, word: str) -> bool:
    """Whether the word is the domain's name or one of its other names, its UUID, or a glob of a name."""
    return word.lower() == domain.uuid or _matches(domain.name, word)


def _matches(name: str, glob: str) -> bool:
    return name == glob or fnmatchcase(name, glob)


def _matches_any(name: str, globs: tuple[str, ...]) -> bool:
    return any(_matches(name, glob) for glob in globs)


def _no_domain(word: str, names: list[str]) -> str:
    text = f"no domain matches {word!r}"
    if close := get_close_matches(word, COMMANDS, 1):
        return f"{text}; did you mean `vmiostat {close[0]}`?"
    if word.replace(".", "", 1).isdigit():
        return f"{text}: an interval and a count are the last words"
    if close := get_close_matches(word, names, 3):
        return f"{text}; did you mean {' or '.join(map(repr, close))}?"
    listed = ", ".join(map(repr, names[:SHOWN])) or "none"
    return f"{text}; there are: {listed}" + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
