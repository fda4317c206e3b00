"""One open connection to libvirt. Every method calls libvirtd and may never return: see threads/detached_calls.py."""

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
"""Seconds between keepalive messages, and how many may stay unanswered until the connection is closed. libvirtd answers
them in its main thread, so they detect a stopped daemon, but not one whose workers are all busy."""


@dataclass(frozen=True, slots=True)
class Running:
    """A running domain in libvirt's list."""

    id: int
    uuid: str
    name: str


class Session:
    """Opens a connection. Raises libvirt.libvirtError, or TopologyError if it leads to another machine.

    No libvirt object leaves this class: dropping the last reference to one may call libvirtd and wait for its answer,
    even at interpreter exit.
    """

    def __init__(self, libvirt: Any, uri: str, changes: Changes, roots: Roots, *, events: bool) -> None:
        self._libvirt = libvirt
        self._changes = changes
        self._lost = False
        self._callbacks: list[int] = []
        self.has_events = events
        ours = events and run_event_loop(libvirt)
        self._connection = libvirt.openReadOnly(uri)
        try:
            # libvirt keeps the callback, and thereby the connection, until `close` unregisters it.
            self._connection.registerCloseCallback(self._on_close, None)
            _refuse_another_machine(self._connection, uri, roots)
            if events:
                self._listen()
            if ours:
                # Only with our own loop, which is sure to run and read the answers.
                with suppress(libvirt.libvirtError):  # a driver inside this process has no daemon
                    self._connection.setKeepAlive(_INTERVAL, _COUNT)
        except BaseException:
            self.close()
            raise

    @property
    def lost(self) -> bool:
        """Whether the connection has been closed. Does not call libvirtd."""
        return self._lost

    def running(self) -> list[Running]:
        """The running domains, by id."""
        try:
            domains = self._connection.listAllDomains(self._libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
        except self._libvirt.libvirtError:
            self._check_lost()
            raise
        running = [Running(domain.ID(), domain.UUIDString(), domain.name()) for domain in domains]
        # A domain that has just ended has the id -1.
        return sorted((domain for domain in running if domain.id >= 0), key=lambda domain: domain.id)

    def xml(self, uuid: str) -> bytes | None:
        """The domain's current XML; None if it has ended."""
        try:
            text: str = self._connection.lookupByUUIDString(uuid).XMLDesc(0)
        except self._libvirt.libvirtError as error:
            if code(error) == NO_DOMAIN:
                return None
            self._check_lost()
            raise
        return text.encode("utf-8", "surrogatepass")

    def block_stats(self, uuid: str) -> dict[str, object]:
        """The domain's block statistics under libvirt's names (block.0.rd.bytes)."""
        try:
            domain = self._connection.lookupByUUIDString(uuid)
            found = self._connection.domainListGetStats([domain], self._libvirt.VIR_DOMAIN_STATS_BLOCK)
        except self._libvirt.libvirtError:
            self._check_lost()
            raise
        return dict(found[0][1]) if found else {}

    def close(self) -> None:
        """Unregisters all callbacks, which would keep the connection open, and closes it."""
        for callback in self._callbacks:
            with suppress(self._libvirt.libvirtError):
                self._connection.domainEventDeregisterAny(callback)
        with suppress(self._libvirt.libvirtError):
            self._connection.unregisterCloseCallback()
        with suppress(self._libvirt.libvirtError):
            self._connection.close()

    def _listen(self) -> None:
        for name in DOMAIN_EVENTS:
            # Without an event of this kind (driver, older libvirt), the next scan of all domains finds the change.
            with suppress(self._libvirt.libvirtError, AttributeError):
                number = getattr(self._libvirt, name)
                self._callbacks.append(self._connection.domainEventRegisterAny(None, number, self._on_event, None))

    def _on_event(self, _connection: object, domain: Any, *_what: object) -> None:
        self._changes.note([domain.UUIDString()])

    def _on_close(self, *_why: object) -> None:
        self._lost = True
        self._changes.note(everything=True)

    def _check_lost(self) -> None:
        """Without an event loop there is no close callback. libvirt only checks its own socket."""
        with suppress(self._libvirt.libvirtError):
            if not self._connection.isAlive():
                self._lost = True


def _refuse_another_machine(connection: Any, uri: str, roots: Roots) -> None:
    """Raises TopologyError if the domains are another machine's: this one may have devices of the same names."""
    if not urlsplit(connection.getURI()).hostname:
        return
    remote = connection.getHostname()
    name = roots.read_or_none("/proc/sys/kernel/hostname")
    if name is None:
        return
    local = name.decode("utf-8", "replace").strip()
    if _short(remote) != _short(local):
        raise TopologyError(
            f"its domains run on {remote!r}, but their counters would be read on {local!r}: run vmiostat there", uri
        )


def _short(name: str) -> str:
    """libvirt returns a fully qualified name if it can."""
    return name.partition(".")[0].lower()
