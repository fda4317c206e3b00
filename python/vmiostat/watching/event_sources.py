"""All event sources of a machine together, so that one thread can wait for any of them."""

import os
import selectors
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from vmiostat._core import DeviceEvents, FolderEvents, LinkEvents, Roots
from vmiostat.discovery.xen.xenstore_socket import is_there
from vmiostat.errors import Error, SourceError
from vmiostat.model import Domain
from vmiostat.threads.select_timeout import MAX_SELECT_TIMEOUT
from vmiostat.watching import EventSource
from vmiostat.watching.namespaces import namespaces
from vmiostat.watching.xenstore_changes import XenstoreChanges

StrPath = str | os.PathLike[str]
Opener = Callable[[], EventSource | None]
"""Opens an event source; None if the machine does not have it."""
Key = str | tuple[int, int]
"""What an event source announces; of one in another network namespace, the device and inode of the namespace."""

_RETRY = 10.0
"""Seconds between attempts to open an event source."""
_REFUSED_WAIT = 0.1
"""Seconds to sleep if the kernel refuses to wait for events."""
_REST = 5.0
"""Seconds for which network namespaces of containers are not listened to after an event in one: who may change its
interfaces there could make events without end. Scans at intervals follow each event and see all namespaces.
"""
_OF_DEVICES = (LinkEvents, DeviceEvents)
"""Event sources that never announce a change of a domain's definition."""


class EventSources:
    """Opens every event source that the machine has. One that fails is a problem, affects no other, and is retried now
    and then. No method raises.

    On a captured machine there are no kernel events, but its files are watched, and xenstore if one runs there. `more`
    opens others, by what they announce.
    """

    def __init__(
        self, roots: Roots, xml: StrPath | Iterable[StrPath] | None, more: Mapping[str, Opener] | None = None
    ) -> None:
        self._roots = roots
        # Not epoll, which needs a descriptor: without any left, changes are still followed, if slowly.
        self._selector = selectors.PollSelector()
        self._openers: dict[str, Opener] = {"files are written (inotify)": partial(_folder_events, roots, xml)}
        if not roots.captured:
            self._openers |= {
                "interfaces come or go (rtnetlink)": _link_events,
                "disks come or go (uevents)": DeviceEvents,
            }
        if xml is None:
            self._openers["Xen domains come or go (xenstore)"] = partial(_xenstore_changes, roots)
        self._openers |= more or {}
        self._sources: dict[Key, EventSource] = {}
        self._failed: dict[Key, Error] = {}
        self._cannot_wait: tuple[Error, ...] = ()
        self._rests_until: float | None = None
        self._open_missing()

    @property
    def problems(self) -> tuple[Error, ...]:
        """Changes that no event announces."""
        unwatched = [source.unwatched for source in self._sources.values() if isinstance(source, FolderEvents)]
        folders = [_no_events(error, f"{error.filename} is written") for error in unwatched if error is not None]
        return (*self._failed.values(), *folders, *self._cannot_wait)

    def wake_by(self, descriptor: int) -> None:
        """Makes `wait` return also when this descriptor is readable."""
        self._selector.register(descriptor, selectors.EVENT_READ)

    def wait(self, seconds: float) -> bool:
        """Waits for events, but no longer than that, nor than a day; returns whether they call for a scan."""
        changed = False
        for key in self._ready(max(0.0, seconds)):
            try:
                changed |= self._sources[key].drain()
                if _is_namespace(key):
                    self._rest()
            except BaseException as error:  # whatever it is, also a panic of the core, it must not affect the others
                self._drop(key)
                self._failed[key] = _no_events(error, key if isinstance(key, str) else "interfaces come or go")
                changed = True
        return changed

    def definitions_changed(self) -> bool:
        """Whether there are events about domains, and not only about devices. They are not drained."""
        return any(not isinstance(self._sources[key], _OF_DEVICES) for key in self._ready(0.0))

    def renew(self) -> None:
        """Retries what failed to open, and watches folders that came without an event, because of a mount."""
        if time.monotonic() >= self._tried + _RETRY:
            self._open_missing()
        for source in self._sources.values():
            if isinstance(source, FolderEvents):
                source.renew()

    def follow(self, domains: Iterable[Domain]) -> None:
        """Watches the network namespaces of these domains' interfaces, and no others.

        A namespace is identified by its inode: its path has a PID or a name, which may be used again.
        """
        self._failed = {key: error for key, error in self._failed.items() if key in self._openers}
        wanted: set[Key] = set()
        for path in sorted(namespaces(domains)) if not self._roots.captured else ():
            try:
                wanted.add(self._watch_namespace(path))
            except OSError as error:
                self._failed[path] = _no_events(error, f"interfaces come or go in {path}")
        for key in self._sources.keys() - self._openers.keys() - wanted:
            self._drop(key)

    def close(self) -> None:
        for key in list(self._sources):
            self._drop(key)
        self._selector.close()

    def _ready(self, seconds: float) -> list[Key]:
        """Waits for sources with events, but no longer than that."""
        if self._rests_until is not None:
            left = self._rests_until - time.monotonic()
            seconds = min(seconds, max(0.0, left))
            if left <= 0:
                self._rests_until = None
                for key in filter(_is_namespace, self._sources):
                    self._selector.register(self._sources[key], selectors.EVENT_READ, key)
        try:
            ready = self._selector.select(min(seconds, MAX_SELECT_TIMEOUT))
        except OSError as error:
            self._cannot_wait = (_no_events(error, "something changes"),)
            time.sleep(min(seconds, _REFUSED_WAIT))
            return []
        self._cannot_wait = ()
        return [selected.data for selected, _ in ready if selected.data is not None]

    def _open_missing(self) -> None:
        self._tried = time.monotonic()
        for what in [what for what in self._openers if what not in self._sources]:
            try:
                source = self._openers[what]()
            except BaseException as error:  # as above: the other sources work, and a full scan finds everything
                self._failed[what] = _no_events(error, what)
                continue
            self._failed.pop(what, None)
            if source is not None:
                self._add(what, source)

    def _watch_namespace(self, path: str) -> tuple[int, int]:
        namespace = self._roots.open(path)
        try:
            status = os.fstat(namespace)
            identity = status.st_dev, status.st_ino
            if identity not in self._sources:
                self._add(identity, _link_events(namespace))
            return identity
        finally:
            os.close(namespace)

    def _rest(self) -> None:
        """Stops listening to the network namespaces for a while; what happens meanwhile stays in their sockets."""
        if self._rests_until is None:
            self._rests_until = time.monotonic() + _REST
            for key in filter(_is_namespace, self._sources):
                self._selector.unregister(self._sources[key])

    def _add(self, key: Key, source: EventSource) -> None:
        if self._rests_until is None or not _is_namespace(key):
            self._selector.register(source, selectors.EVENT_READ, key)
        self._sources[key] = source

    def _drop(self, key: Key) -> None:
        source = self._sources.pop(key)
        if self._rests_until is None or not _is_namespace(key):
            self._selector.unregister(source)
        source.close()


def _is_namespace(key: Key) -> bool:
    return isinstance(key, tuple)


def _link_events(namespace: int | None = None) -> LinkEvents:
    return LinkEvents(namespace)


def _folder_events(roots: Roots, xml: StrPath | Iterable[StrPath] | None) -> FolderEvents:
    """Watches the folders that may hold definitions, and their parents."""
    if xml is None:
        # Here, since it imports lxml.
        from vmiostat.discovery.libvirt.status import DRIVERS

        return FolderEvents(roots, ["/run", "/run/libvirt", *(f"/run/libvirt/{driver}" for driver in DRIVERS)])
    paths = [os.path.abspath(path) for path in ([xml] if isinstance(xml, str | os.PathLike) else xml)]  # noqa: PTH100
    parents = [os.path.dirname(path) for path in paths]  # noqa: PTH120
    return FolderEvents(None, parents + paths)


def _xenstore_changes(roots: Roots) -> XenstoreChanges | None:
    return XenstoreChanges(roots) if is_there(roots) else None


def _no_events(error: BaseException, what: str) -> Error:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else repr(error)
    return SourceError(f"no event announces when {what}: {reason}; the next full scan finds the change")
