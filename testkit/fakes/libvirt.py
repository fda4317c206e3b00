"""A fake of the module libvirt, with a daemon that stops answering, dies and comes back as a test requires.

It treats its caller like the real module: a call to a daemon that does not answer never returns; dropping the last
reference to a connection calls the daemon to close it; a registered callback keeps its connection alive.
"""

import ctypes
import queue
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

VIR_CONNECT_LIST_DOMAINS_ACTIVE = 1
VIR_DOMAIN_STATS_BLOCK = 32
EVENTS = {
    "VIR_DOMAIN_EVENT_ID_LIFECYCLE": 0,
    "VIR_DOMAIN_EVENT_ID_DISK_CHANGE": 9,
    "VIR_DOMAIN_EVENT_ID_TRAY_CHANGE": 10,
    "VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED": 15,
    "VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2": 16,
    "VIR_DOMAIN_EVENT_ID_DEVICE_ADDED": 19,
}
RPC, NO_DOMAIN = 39, 42

_increment, _decrement = ctypes.pythonapi.Py_IncRef, ctypes.pythonapi.Py_DecRef
_increment.argtypes = _decrement.argtypes = [ctypes.py_object]
_increment.restype = _decrement.restype = None


class LibvirtError(Exception):
    """Like libvirt.libvirtError, which gets its code from the C library."""

    def __init__(self, text: str, code: int = RPC) -> None:
        super().__init__(text)
        self.code = code

    def get_error_code(self) -> int:
        return self.code


def uuid(number: int) -> str:
    return str(UUID(int=number))


class Daemon:
    """Its domains are XML by id. Changes take effect at once, also for calls in flight."""

    def __init__(self) -> None:
        self.domains: dict[int, str] = {}
        self.hostname = "kvm1"
        self.refusal: LibvirtError | None = None
        """The error with which opening a connection fails."""
        self.stuck: set[str] = set()
        """Calls that are not answered: `open`, `list`, `close`, or a UUID for that domain's XML."""
        self.stats: dict[int, dict[str, object]] = {}
        """The block statistics by domain id; in `stuck` and `errors`, their call is "stats UUID"."""
        self.errors: dict[str, LibvirtError] = {}
        """The error with which a call fails, by UUID for that domain's XML."""
        self.calls: Counter[str] = Counter()
        self.in_flight: Counter[int] = Counter()
        """Calls in flight, by the id() of their connection, so that this keeps none alive."""
        self.most_in_flight = self.most_in_flight_of_one = 0
        """The largest number of calls in flight, in total and of one connection."""
        self.connections: list[Connection] = []
        self.changed = threading.Condition()

    def start(self, number: int, name: str, nics: str = "", kind: str = "kvm") -> None:
        """A domain starts or changes."""
        interfaces = "".join(f"<interface type='bridge'><target dev='{nic}'/></interface>" for nic in nics.split())
        self.domains[number] = (
            f"<domain type='{kind}' id='{number}'><name>{name}</name><uuid>{uuid(number)}</uuid>"
            f"<devices>{interfaces}</devices></domain>"
        )

    def answer(self, *what: str) -> None:
        """Answers these calls again, also those in flight."""
        with self.changed:
            self.stuck.difference_update(what)
            self.changed.notify_all()

    def die(self) -> None:
        """Closes all connections. Close callbacks need the client's event loop to run."""
        self.refusal = LibvirtError(
            "Failed to connect socket to '/run/libvirt/libvirt-sock-ro': Connection refused", 38
        )
        with self.changed:
            dead, self.connections = self.connections, []
            for connection in dead:
                connection.alive = False
            self.changed.notify_all()
        for connection in dead:
            connection.on_close()

    def send(self, event: str, number: int) -> None:
        """Sends an event about a domain to all connections that have registered for it."""
        for connection in self.connections:
            for callback, wanted in list(connection.callbacks.values()):
                if wanted == EVENTS[event]:
                    domain = Domain(connection, number, self.domains.get(number, ""))
                    connection.module.deliver(partial(callback, connection, domain, 0, 0, None))

    def serve(self, what: str, connection: "Connection | None" = None) -> None:
        with self.changed:
            self.calls[what] += 1
            self.in_flight[id(connection)] += 1
            self.most_in_flight = max(self.most_in_flight, sum(self.in_flight.values()))
            self.most_in_flight_of_one = max(self.most_in_flight_of_one, *self.in_flight.values())
            self.changed.wait_for(lambda: what not in self.stuck or (connection is not None and not connection.alive))
            self.in_flight[id(connection)] -= 1
        if connection is not None and not connection.alive:
            raise LibvirtError("internal error: client socket is closed")


class Connection:
    """Like libvirt.virConnect."""

    def __init__(self, module: "Libvirt", uri: str) -> None:
        self.module, self.uri = module, uri
        self.alive, self.closed = True, False
        self.callbacks: dict[int, tuple[Callable[..., None], int]] = {}
        self.close_callback: Callable[..., None] | None = None
        self.keepalive: tuple[int, int] | None = None

    def getURI(self) -> str:  # noqa: N802
        return self.uri

    def getHostname(self) -> str:  # noqa: N802
        return self.module.daemon.hostname

    def isAlive(self) -> int:  # noqa: N802
        return int(self.alive)

    def setKeepAlive(self, interval: int, count: int) -> None:  # noqa: N802
        self.keepalive = interval, count

    def registerCloseCallback(self, callback: Callable[..., None], _opaque: object) -> None:  # noqa: N802
        self.close_callback = callback
        self.module.kept += 1
        _increment(self)

    def unregisterCloseCallback(self) -> None:  # noqa: N802
        self.close_callback = None
        self.module.kept -= 1
        _decrement(self)

    def domainEventRegisterAny(  # noqa: N802
        self, domain: None, event: int, callback: Callable[..., None], _opaque: object
    ) -> int:
        if not self.module.registered:
            raise LibvirtError("adding cb to list", 1)
        number = len(self.callbacks)
        self.callbacks[number] = callback, event
        return number

    def domainEventDeregisterAny(self, number: int) -> None:  # noqa: N802
        del self.callbacks[number]

    def listAllDomains(self, _flags: int) -> "list[Domain]":  # noqa: N802
        self.module.daemon.serve("list", self)
        # Unordered, like libvirt's hash table.
        return [Domain(self, number, xml) for number, xml in reversed(self.module.daemon.domains.items())]

    def lookupByUUIDString(self, text: str) -> "Domain":  # noqa: N802
        number = UUID(text).int
        xml = self.module.daemon.domains.get(number)
        if xml is None:
            raise LibvirtError("Domain not found", NO_DOMAIN)
        return Domain(self, number, xml)

    def domainListGetStats(  # noqa: N802
        self, domains: "list[Domain]", stats: int
    ) -> "list[tuple[Domain, dict[str, object]]]":
        assert stats == VIR_DOMAIN_STATS_BLOCK
        daemon = self.module.daemon
        for domain in domains:
            what = f"stats {domain.UUIDString()}"
            daemon.serve(what, self)
            if what in daemon.errors:
                raise daemon.errors[what]
        return [(domain, daemon.stats.get(domain.ID(), {})) for domain in domains]

    def on_close(self) -> None:
        if self.close_callback is not None:
            callback = self.close_callback
            self.module.deliver(lambda: callback(self, 0, None))

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            if self.alive:
                self.module.daemon.serve("close")
            if self in self.module.daemon.connections:
                self.module.daemon.connections.remove(self)

    def __del__(self) -> None:
        self.close()


class Domain:
    """Like libvirt.virDomain."""

    def __init__(self, connection: Connection, number: int, xml: str) -> None:
        self._connection, self._number, self._xml = connection, number, xml

    def ID(self) -> int:  # noqa: N802
        return self._number

    def UUIDString(self) -> str:  # noqa: N802
        return uuid(self._number)

    def name(self) -> str:
        return self._xml.partition("<name>")[2].partition("</name>")[0]

    def XMLDesc(self, _flags: int) -> str:  # noqa: N802
        daemon = self._connection.module.daemon
        daemon.serve(self.UUIDString(), self._connection)
        if self.UUIDString() in daemon.errors:
            raise daemon.errors[self.UUIDString()]
        return daemon.domains.get(self._number, self._xml)


class Libvirt:
    """The module's functions; one for each test."""

    libvirtError = LibvirtError  # noqa: N815
    VIR_CONNECT_LIST_DOMAINS_ACTIVE = VIR_CONNECT_LIST_DOMAINS_ACTIVE
    VIR_DOMAIN_STATS_BLOCK = VIR_DOMAIN_STATS_BLOCK

    def __init__(self) -> None:
        self.daemon = Daemon()
        self.kept = 0
        """Connections that the C library refers to, even after interpreter exit."""
        self.registered = 0
        self.error_handler: Callable[..., None] | None = None
        self._deliveries: queue.SimpleQueue[Callable[[], Any]] = queue.SimpleQueue()
        for name, number in EVENTS.items():
            setattr(self, name, number)

    def openReadOnly(self, uri: str) -> Connection:  # noqa: N802
        self.daemon.serve("open")
        if self.daemon.refusal is not None:
            raise self.daemon.refusal
        connection = Connection(self, uri)
        self.daemon.connections.append(connection)
        return connection

    def registerErrorHandler(self, handler: Callable[..., None], _context: object) -> None:  # noqa: N802
        self.error_handler = handler

    def virEventRegisterDefaultImpl(self) -> None:  # noqa: N802
        self.registered += 1

    def virEventRunDefaultImpl(self) -> None:  # noqa: N802
        self._deliveries.get()()

    def virEventAddTimeout(self, _milliseconds: int, _callback: Callable[..., None], _opaque: object) -> int:  # noqa: N802
        if not self.registered:
            raise LibvirtError("virEventAddTimeout() failed")
        return 1

    def virEventUpdateTimeout(self, _timer: int, _milliseconds: int) -> None:  # noqa: N802
        self.deliver(lambda: None)

    def virEventRemoveTimeout(self, _timer: int) -> None:  # noqa: N802
        pass

    def deliver(self, what: Callable[[], Any]) -> None:
        """Has it called by the thread that runs the event loop."""
        self._deliveries.put(what)
