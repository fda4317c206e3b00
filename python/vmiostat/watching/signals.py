"""All signals of a machine together, so that one thread can wait for any of them."""

import os
import selectors
from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

from vmiostat._core import Roots
from vmiostat.discovery.xenstore_socket import is_there
from vmiostat.errors import Error, SourceError
from vmiostat.model import Domain
from vmiostat.watching import Signal
from vmiostat.watching.device_changes import DeviceChanges
from vmiostat.watching.folder_changes import FolderChanges
from vmiostat.watching.link_changes import LinkChanges
from vmiostat.watching.namespaces import links_in, namespaces
from vmiostat.watching.netlink_group import NetlinkGroup
from vmiostat.watching.xenstore_changes import XenstoreChanges

StrPath = str | os.PathLike[str]
One = TypeVar("One", bound=Signal)


class Signals:
    """Opens every signal that this machine has. One that cannot be had is a problem, and costs itself alone.

    A captured machine has no kernel that would speak of it: its files are watched, and xenstore if one runs there.
    """

    def __init__(self, roots: Roots, xml: StrPath | Iterable[StrPath] | None, more: Iterable[Signal] = ()) -> None:
        self._deaf: list[Error] = []
        self._deaf_in: list[Error] = []
        self._roots = roots
        self._selector = selectors.DefaultSelector()
        self._in_namespaces: dict[tuple[int, int], LinkChanges] = {}
        self._folders = self._add(partial(FolderChanges, *_folders(roots, xml)), "files are written (inotify)")
        if not roots.captured:
            self._add(LinkChanges, "interfaces come or go (rtnetlink)")
            self._add(DeviceChanges, "disks come or go (uevents)")
        if xml is None and is_there(roots):
            self._add(partial(XenstoreChanges, roots), "Xen domains come or go (xenstore)")
        for signal in more:
            self._selector.register(signal, selectors.EVENT_READ, signal)

    @property
    def problems(self) -> tuple[Error, ...]:
        """What nobody tells of."""
        return (*self._deaf, *self._deaf_in)

    def wake_by(self, descriptor: int) -> None:
        """Waiting ends also when this descriptor can be read."""
        self._selector.register(descriptor, selectors.EVENT_READ)

    def wait(self, seconds: float) -> bool:
        """Waits no longer than that; whether there is a reason to look again."""
        look = False
        for key, _ in self._selector.select(max(0.0, seconds)):
            signal: Signal | None = key.data
            if signal is None:
                continue
            try:
                look |= signal.drain()
            except OSError as error:
                self._remove(signal)
                self._deaf.append(_deaf(error, "something changes"))
                look = True
        return look

    def definitions_changed(self) -> bool:
        """Whether there is something to hear of domains, not only of devices. It is not heard yet."""
        signals = [key.data for key, _ in self._selector.select(0)]
        return any(signal is not None and not isinstance(signal, NetlinkGroup) for signal in signals)

    def renew(self) -> None:
        """Finds folders that came in a way nobody tells of: something was mounted over them."""
        if self._folders is not None:
            self._folders.renew()

    def follow(self, domains: Iterable[Domain]) -> None:
        """Listens in the namespaces that these domains' interfaces are in, and in no others.

        A namespace is told by its file's inode: the path of one holds a pid or a name, which are used again.
        """
        wanted: set[tuple[int, int]] = set()
        self._deaf_in = []
        for path in sorted(namespaces(domains)) if not self._roots.captured else ():
            try:
                wanted.add(self._listen(path))
            except OSError as error:
                self._deaf_in.append(_deaf(error, f"interfaces come or go in {path}"))
        for identity in self._in_namespaces.keys() - wanted:
            self._remove(self._in_namespaces.pop(identity))

    def close(self) -> None:
        for key in list(self._selector.get_map().values()):
            if key.data is not None:
                self._remove(key.data)
        self._selector.close()

    def _add(self, opened: Callable[[], One], when: str) -> One | None:
        try:
            signal = opened()
        except OSError as error:
            self._deaf.append(_deaf(error, when))
            return None
        self._selector.register(signal, selectors.EVENT_READ, signal)
        return signal

    def _listen(self, path: str) -> tuple[int, int]:
        namespace = self._roots.open(path)
        try:
            status = os.fstat(namespace)
            identity = status.st_dev, status.st_ino
            if identity not in self._in_namespaces:
                links = links_in(namespace)
                self._selector.register(links, selectors.EVENT_READ, links)
                self._in_namespaces[identity] = links
            return identity
        finally:
            os.close(namespace)

    def _remove(self, signal: Signal) -> None:
        self._selector.unregister(signal)
        signal.close()


def _folders(roots: Roots, xml: StrPath | Iterable[StrPath] | None) -> tuple[Callable[[str], int], list[str]]:
    """How to open the folders that definitions are in, and their paths and those of the folders above them."""
    if xml is None:
        # Here, since it imports lxml.
        from vmiostat.discovery.libvirt_status import DRIVERS

        return roots.open, ["/run", "/run/libvirt", *(f"/run/libvirt/{driver}" for driver in DRIVERS)]
    paths = [os.path.abspath(path) for path in ([xml] if isinstance(xml, str | os.PathLike) else xml)]  # noqa: PTH100
    above = [os.path.dirname(path) for path in paths]  # noqa: PTH120
    return partial(os.open, flags=os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), above + paths


def _deaf(error: OSError, when: str) -> Error:
    return SourceError(f"nothing tells when {when}: {error.strerror}; it is seen at the next look")
