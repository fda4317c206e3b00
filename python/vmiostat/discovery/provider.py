"""What a provider is: it finds the domains of one origin, scan after scan.

A new provider is one file with such a class and one line in `vmiostat.discovery.scan`. Its docstring says what it reads
and which rights that takes. It may keep what it reads for the next scan; a full scan rereads what may have changed
unnoticed.
"""

from dataclasses import dataclass
from typing import Protocol

from vmiostat._core import Roots
from vmiostat.errors import Error
from vmiostat.model import Domain
from vmiostat.system.netns import NetworkNamespaces
from vmiostat.system.processes import pids
from vmiostat.system.vmm_executable import VmmExecutables


@dataclass(frozen=True, slots=True)
class Found:
    """The domains that were found, and the problems that kept others, or some of their devices, from being found.

    Their devices have no counters yet: see `vmiostat.resolve`.
    """

    domains: tuple[Domain, ...] = ()
    problems: tuple[Error, ...] = ()
    complete: bool = True
    """False when an error (no descriptor left, say) kept it from seeing all. What it saw before then stands."""


class ScanContext:
    """One scan of a machine: what its providers share, so that it is read once.

    Raises SourceError where the processes cannot be listed: that none is seen would mean that none runs.
    """

    def __init__(
        self,
        roots: Roots,
        *,
        full: bool = True,
        namespaces: NetworkNamespaces | None = None,
        executables: VmmExecutables | None = None,
    ) -> None:
        self.roots = roots
        self.full = full
        """Whether to reread also what changes without an event: a process's program, where a disk's path leads."""
        self.namespaces = namespaces or NetworkNamespaces(roots)
        self.pids = pids(roots)
        """The machine's processes."""
        self.namespaces.keep(self.pids)
        self.executables = executables or VmmExecutables(roots)
        self.known_pids: set[int] = set()
        """Those whose domain an earlier provider has found."""


class Provider(Protocol):
    """Finds domains in one way."""

    name: str
    """What `Domain.provider` says of its domains."""

    def scan(self, context: ScanContext) -> Found:
        """The domains that there are now. What cannot be read is a problem in the result, not an exception."""
