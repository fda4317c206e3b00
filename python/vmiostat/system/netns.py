"""The network namespaces of processes, and the interfaces in them."""

import os
from collections.abc import Collection

from vmiostat._core import Roots
from vmiostat.errors import SourceError

Interfaces = dict[str, int | None]
"""Names in the kernel's order, each with its ifindex, if known."""

_INIT = 1
"""The first process of a PID namespace; the host's, where its /proc is seen."""
_NAMED = "/run/netns"
"""Where `ip netns add` names namespaces."""


class NetworkNamespaces:
    """Network namespaces as one scan sees them: everything is read once.

    A namespace is identified by a path: /run/netns/NAME, else /proc/PID/ns/net of the first process found in it. That
    path is kept while the process runs: `before` is the object of the previous scan. None is the namespace of the
    machine's own /proc/net/dev.
    """

    def __init__(self, roots: Roots, before: "NetworkNamespaces | None" = None) -> None:
        self._roots = roots
        self._first_pids: dict[str | int, int] = {} if before is None else before._first_pids
        own = _link("thread-self", roots) or _link("self", roots)
        self._own_link = own or (_link("1", roots) if roots.captured else None)
        self._paths: dict[str | int, str | None] | None = None
        self._interfaces: dict[str | None, Interfaces] = {}

    def keep(self, pids: Collection[int]) -> None:
        """Forgets namespaces whose process is not among these."""
        self._first_pids = {namespace: pid for namespace, pid in self._first_pids.items() if pid in pids}

    def of(self, pid: int) -> str | None:
        """The namespace of a process; the machine's own for one that has ended."""
        identity = self._identity(pid)
        if identity is None:
            return None
        paths = self._known()
        if identity not in paths:
            first = self._first_pids.get(identity)
            if first is None or self._identity(first) != identity:
                first = self._first_pids[identity] = pid
            paths[identity] = f"/proc/{first}/ns/net"
        return paths[identity]

    def host(self) -> str | None:
        """The namespace of process 1 of a procfs mounted elsewhere: in a container that was given the host's, its own
        /proc/net/dev is not the host's. Else the machine's own.
        """
        return None if self._roots.shown("/proc") == "/proc" or self._roots.captured else self.of(_INIT)

    def with_inode(self, inode: int) -> str | None:
        """The namespace with this inode number. Raises LookupError if it has no name and no process that was found."""
        identity = f"net:[{inode}]"
        paths = self._known()
        if identity in paths:
            return paths[identity]
        first = self._first_pids.get(identity)
        if first is None or self._identity(first) != identity:
            raise LookupError(identity)
        return f"/proc/{first}/ns/net"

    def _identity(self, pid: int) -> str | int | None:
        # Only root and the process's owner may read the link net:[4026531840]. Anyone can stat its net/dev, a file that
        # procfs creates for each namespace, with an inode number of its own (fs/proc/generic.c).
        link = self._own_link and _link(str(pid), self._roots)
        return link or _inode(f"/proc/{pid}/net/dev", self._roots)

    def interfaces(self, namespace: str | None = None) -> Interfaces:
        """The interfaces in a namespace. Raises SourceError."""
        if namespace not in self._interfaces:
            self._interfaces[namespace] = self._roots.interfaces(namespace)
        return self._interfaces[namespace]

    def _known(self) -> dict[str | int, str | None]:
        if self._paths is None:
            self._paths = {}
            for name in self._roots.list_or_empty(_NAMED):
                path = f"{_NAMED}/{name}"
                if (number := _inode(path, self._roots)) is not None:
                    self._paths.setdefault(f"net:[{number}]", path)
            for own in (self._own_link, _inode("/proc/net/dev", self._roots)):
                if own is not None:
                    self._paths[own] = None
        return self._paths


def _link(pid: str, roots: Roots) -> str | None:
    try:
        return roots.link(f"/proc/{pid}/ns/net")
    except SourceError:
        return None


def _inode(path: str, roots: Roots) -> int | None:
    try:
        descriptor = roots.open(path)
    except SourceError:
        return None
    try:
        return os.fstat(descriptor).st_ino
    finally:
        os.close(descriptor)
