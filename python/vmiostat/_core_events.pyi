"""The event sources of the core, for type checkers."""

from typing import Self, final, type_check_only

from vmiostat._core import Roots
from vmiostat.errors import SourceError

@type_check_only
class Events:
    def fileno(self) -> int:
        """The descriptor, which is readable when there is something to drain."""
    def drain(self) -> bool:
        """Takes the events that have come, without waiting; True if one of them matters.

        Raises
        ------
        SourceError
            No more events will come.
        """
    def close(self) -> None:
        """Closes the descriptor."""

@final
class FolderEvents(Events):
    """Events of *.xml files that are written, renamed or deleted in some folders, and of the folders (inotify).

    Each of `paths` comes after those that contain it: a missing folder is watched once it appears. A path may also be
    a file of any name. Paths are those of the machine at `roots`, or without it those of this process. Raises
    SourceError.
    """
    def __new__(cls, roots: Roots | None, paths: list[str]) -> Self: ...
    def renew(self) -> None:
        """Watches the folders that the paths lead to now: some may be hidden below a mount, which causes no event."""
    @property
    def unwatched(self) -> SourceError | None:
        """The SourceError of an existing folder that is not watched; None if all are."""

@final
class LinkEvents(Events):
    """Events of interfaces that appear, disappear, are renamed, or go up or down (rtnetlink).

    `namespace` is the open file of a network namespace; without it, it is the calling thread's. Raises SourceError.
    """
    def __new__(cls, namespace: int | None = None) -> Self: ...

@final
class DeviceEvents(Events):
    """Events of block devices and Xen backends that appear, disappear or change (uevents). Raises SourceError."""
    def __new__(cls) -> Self: ...
