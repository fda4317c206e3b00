"""One open connection to libvirt. Every method here asks libvirtd, and so may take for ever: see unreturned_calls."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from vmiostat._core import Roots
from vmiostat.discovery.libvirt.errors import NO_DOMAIN, code
from vmiostat.discovery.libvirt.events import DOMAIN_EVENTS, Changes
from vmiostat.discovery.libvirt.module import run_event_loop
from vmiostat.errors import TopologyError

_INTERVAL, _COUNT = 5, 3
"""Seconds between questions whether libvirtd is alive, and how many may go unanswered until the connection is closed.
Its main thread answers them, so that they tell a stopped daemon from one whose workers are all busy."""


@dataclass(frozen=True, slots=True)
class Running:
    """A running domain, as libvirt's list has it."""

    id: int
    uuid: str
    name: str


class Session:
    """Open once it is made. Raises libvirt.libvirtError, or TopologyError for a connection to another machine.

    No object of libvirt's leaves this class. The last reference to one may end with a question to libvirtd, and whoever
    dropped it, be it the interpreter at its end, would wait for the answer.
    """

    def __init__(self, libvirt: Any, uri: str, changes: Changes, roots: Roots, *, events: bool) -> None:
        self._libvirt = libvirt
        self._changes = changes
        self._lost = False
        self._callbacks: list[int] = []
        self.tells_events = events
        ours = events and run_event_loop(libvirt)
        self._connection = libvirt.openReadOnly(uri)
        try:
            # libvirt keeps the callback, and with it the connection until it is taken back in `close`.
            self._connection.registerCloseCallback(self._closed, None)
            _refuse_another_machine(self._connection, uri, roots)
            if events:
                self._listen()
            if ours:
                # Not on a loop that may not run: the answers would not be read.
                with suppress(libvirt.libvirtError):  # a driver within this process has nobody to ask
                    self._connection.setKeepAlive(_INTERVAL, _COUNT)
        except BaseException:
            self.close()
            raise

    @property
    def lost(self) -> bool:
        """The connection is closed: nothing more will come from it. This asks nobody."""
        return self._lost

    def running(self) -> list[Running]:
        """The running domains, in the order of their ids."""
        try:
            domains = self._connection.listAllDomains(self._libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
        except self._libvirt.libvirtError:
            self._look_whether_lost()
            raise
        running = [Running(domain.ID(), domain.UUIDString(), domain.name()) for domain in domains]
        # An id of -1 has one that ended on the way here.
        return sorted((domain for domain in running if domain.id >= 0), key=lambda domain: domain.id)

    def xml(self, uuid: str) -> bytes | None:
        """The domain's XML as it is now; None where it has ended."""
        try:
            text: str = self._connection.lookupByUUIDString(uuid).XMLDesc(0)
        except self._libvirt.libvirtError as error:
            if code(error) == NO_DOMAIN:
                return None
            self._look_whether_lost()
            raise
        return text.encode("utf-8", "surrogatepass")

    def block_stats(self, uuid: str) -> dict[str, object]:
        """The domain's block statistics, by libvirt's names (block.0.rd.bytes)."""
        try:
            domain = self._connection.lookupByUUIDString(uuid)
            found = self._connection.domainListGetStats([domain], self._libvirt.VIR_DOMAIN_STATS_BLOCK)
        except self._libvirt.libvirtError:
            self._look_whether_lost()
            raise
        return dict(found[0][1]) if found else {}

    def close(self) -> None:
        """Takes back every callback, which else would keep the connection open."""
        for callback in self._callbacks:
            with suppress(self._libvirt.libvirtError):
                self._connection.domainEventDeregisterAny(callback)
        with suppress(self._libvirt.libvirtError):
            self._connection.unregisterCloseCallback()
        with suppress(self._libvirt.libvirtError):
            self._connection.close()

    def _listen(self) -> None:
        for name in DOMAIN_EVENTS:
            # What a driver or an older libvirt does not have is found by the next look at all domains.
            with suppress(self._libvirt.libvirtError, AttributeError):
                number = getattr(self._libvirt, name)
                self._callbacks.append(self._connection.domainEventRegisterAny(None, number, self._told, None))

    def _told(self, _connection: object, domain: Any, *_what: object) -> None:
        self._changes.note([domain.UUIDString()])

    def _closed(self, *_why: object) -> None:
        self._lost = True
        self._changes.note(everything=True)

    def _look_whether_lost(self) -> None:
        """Where no event loop runs, nobody else says so. libvirt looks at its own socket, and asks nobody."""
        with suppress(self._libvirt.libvirtError):
            if not self._connection.isAlive():
                self._lost = True


def _refuse_another_machine(connection: Any, uri: str, roots: Roots) -> None:
    """Raises TopologyError where the domains are another machine's: devices here may have the names of theirs."""
    if not urlsplit(connection.getURI()).hostname:
        return
    there = connection.getHostname()
    name = roots.read_or_none("/proc/sys/kernel/hostname")
    if name is None:
        return
    here = name.decode("utf-8", "replace").strip()
    if _short(there) != _short(here):
        raise TopologyError(
            f"its domains run on {there!r}, and their counters would be read here, on {here!r}: run vmiostat there", uri
        )


def _short(name: str) -> str:
    """libvirt resolves the name to a full one where it can."""
    return name.partition(".")[0].lower()
