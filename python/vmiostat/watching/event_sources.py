"""All signals of a machine together, so that one thread can wait for any of them."""

import os
import selectors
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from vmiostat._core import Roots
from vmiostat.discovery.xen.xenstore_socket import is_there
from vmiostat.errors import Error, SourceError
from vmiostat.model import Domain
from vmiostat.threads.select_timeout import MAX_SELECT_TIMEOUT
from vmiostat.watching import Signal
from vmiostat.watching.device_changes import DeviceChanges
from vmiostat.watching.folder_changes import FolderChanges
from vmiostat.watching.link_changes import LinkChanges
from vmiostat.watching.namespaces import links_in, namespaces
from vmiostat.watching.netlink_group import NetlinkGroup
from vmiostat.watching.xenstore_changes import XenstoreChanges

StrPath = str | os.PathLike[str]
Opened = Callable[[], Signal | None]
"""Opens a signal; None where this machine has nobody who would give it."""

_AGAIN = 10.0
"""Seconds until what cannot be had is tried again."""
_BLIND = 0.1
"""Seconds of sleep instead of a wait that the kernel refuses."""


class EventSources:
    """Opens every signal that this machine has. One that cannot be had is a problem, costs itself alone, and is tried
    again now and then. Nothing here raises.

    A captured machine has no kernel that would speak of it: its files are watched, and xenstore if one runs there.
    `more` are others, by when they tell.
    """

    def __init__(
        self, roots: Roots, xml: StrPath | Iterable[StrPath] | None, more: Mapping[str, Opened] | None = None
    ) -> None:
        self._roots = roots
        # Not epoll, which is a descriptor: a process that has none left follows, too, if slowly.
        self._selector = selectors.PollSelector()
        self._openers: dict[str, Opened] = {"files are written (inotify)": partial(_folder_changes, roots, xml)}
        if not roots.captured:
            self._openers |= {
                "interfaces come or go (rtnetlink)": LinkChanges,
                "disks come or go (uevents)": DeviceChanges,
            }
        if xml is None:
            self._openers["Xen domains come or go (xenstore)"] = partial(_xenstore_changes, roots)
        self._openers |= more or {}
        self._signals: dict[str | tuple[int, int], Signal] = {}
        """By when they tell; those in namespaces by the namespace's file."""
        self._deaf: dict[str | tuple[int, int], Error] = {}
        self._cannot_wait: tuple[Error, ...] = ()
        self._open_what_is_not()

    @property
    def problems(self) -> tuple[Error, ...]:
        """What nobody tells of."""
        unwatched = [signal.unwatched for signal in self._signals.values() if isinstance(signal, FolderChanges)]
        unheard = [_deaf(error, f"{error.filename} is written") for error in unwatched if error is not None]
        return (*self._deaf.values(), *unheard, *self._cannot_wait)

    def wake_by(self, descriptor: int) -> None:
        """Waiting ends also when this descriptor can be read."""
        self._selector.register(descriptor, selectors.EVENT_READ)

    def wait(self, seconds: float) -> bool:
        """Waits no longer than that, nor than a day; whether there is a reason to look again."""
        look = False
        for name in self._told(max(0.0, seconds)):
            try:
                look |= self._signals[name].drain()
            except Exception as error:  # whatever it is: the others go on
                self._drop(name)
                self._deaf[name] = _deaf(error, name if isinstance(name, str) else "interfaces come or go")
                look = True
        return look

    def definitions_changed(self) -> bool:
        """Whether there is something to hear of domains, not only of devices. It is not heard yet."""
        return any(not isinstance(self._signals[name], NetlinkGroup) for name in self._told(0.0))

    def renew(self) -> None:
        """Tries what could not be had before, and finds folders that came in a way nobody tells of: something was
        mounted over them.
        """
        if time.monotonic() >= self._tried + _AGAIN:
            self._open_what_is_not()
        for signal in self._signals.values():
            if isinstance(signal, FolderChanges):
                signal.renew()

    def follow(self, domains: Iterable[Domain]) -> None:
        """Listens in the namespaces that these domains' interfaces are in, and in no others.

        A namespace is told by its file's inode: the path of one holds a pid or a name, which are used again.
        """
        self._deaf = {name: error for name, error in self._deaf.items() if name in self._openers}
        wanted: set[str | tuple[int, int]] = set()
        for path in sorted(namespaces(domains)) if not self._roots.captured else ():
            try:
                wanted.add(self._listen(path))
            except OSError as error:
                self._deaf[path] = _deaf(error, f"interfaces come or go in {path}")
        for name in self._signals.keys() - self._openers.keys() - wanted:
            self._drop(name)

    def close(self) -> None:
        for name in list(self._signals):
            self._drop(name)
        self._selector.close()

    def _told(self, seconds: float) -> list[str | tuple[int, int]]:
        """Who has something to tell, after so many seconds at most."""
        try:
            ready = self._selector.select(min(seconds, MAX_SELECT_TIMEOUT))
        except OSError as error:
            self._cannot_wait = (_deaf(error, "something changes"),)
            time.sleep(min(seconds, _BLIND))
            return []
        self._cannot_wait = ()
        return [key.data for key, _ in ready if key.data is not None]

    def _open_what_is_not(self) -> None:
        self._tried = time.monotonic()
        for when in [when for when in self._openers if when not in self._signals]:
            try:
                signal = self._openers[when]()
            except Exception as error:  # whatever it is: the others tell, and the slow look sees everything
                self._deaf[when] = _deaf(error, when)
                continue
            self._deaf.pop(when, None)
            if signal is not None:
                self._add(when, signal)

    def _listen(self, path: str) -> tuple[int, int]:
        namespace = self._roots.open(path)
        try:
            status = os.fstat(namespace)
            identity = status.st_dev, status.st_ino
            if identity not in self._signals:
                self._add(identity, links_in(namespace))
            return identity
        finally:
            os.close(namespace)

    def _add(self, name: str | tuple[int, int], signal: Signal) -> None:
        self._selector.register(signal, selectors.EVENT_READ, name)
        self._signals[name] = signal

    def _drop(self, name: str | tuple[int, int]) -> None:
        signal = self._signals.pop(name)
        self._selector.unregister(signal)
        signal.close()


def _folder_changes(roots: Roots, xml: StrPath | Iterable[StrPath] | None) -> FolderChanges:
    """Watches the folders that definitions are in, and those above them."""
    if xml is None:
        # Here, since it imports lxml.
        from vmiostat.discovery.libvirt.status import DRIVERS

        return FolderChanges(roots.open, ["/run", "/run/libvirt", *(f"/run/libvirt/{driver}" for driver in DRIVERS)])
    paths = [os.path.abspath(path) for path in ([xml] if isinstance(xml, str | os.PathLike) else xml)]  # noqa: PTH100
    above = [os.path.dirname(path) for path in paths]  # noqa: PTH120
    return FolderChanges(partial(os.open, flags=os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), above + paths)


def _xenstore_changes(roots: Roots) -> XenstoreChanges | None:
    return XenstoreChanges(roots) if is_there(roots) else None


def _deaf(error: Exception, when: str) -> Error:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else repr(error)
    return SourceError(f"nothing tells when {when}: {reason}; it is seen at the next look")
