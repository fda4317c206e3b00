"""Where a machine's files are, and its events, for type checkers."""

import builtins
from collections.abc import Sequence
from os import PathLike
from typing import Self, TypeAlias, final, type_check_only

from vmiostat.errors import SourceError

_Path: TypeAlias = str | PathLike[str]

@final
class Roots:
    """Where /proc, /sys, /dev and /run of a machine are. Paths are those of the machine itself: "/sys/block".

    Parameters
    ----------
    root : path-like
        The root of a captured machine; by default "/", this one.
    proc, sys, dev, run : path-like, optional
        Folders in place of those below the root, as in a container: proc="/host/proc".

    Raises
    ------
    SourceError
        A folder cannot be opened; in a method, the path cannot be read.

    Examples
    --------
    >>> from vmiostat import Roots
    >>> roots = Roots("fixtures/xen-4.17-real/instant-1")
    >>> roots.captured, roots.exists("/proc/net/dev"), roots.exists("/etc/passwd")
    (True, True, False)
    """
    def __new__(
        cls,
        root: _Path = ...,
        *,
        proc: _Path | None = None,
        sys: _Path | None = None,
        dev: _Path | None = None,
        run: _Path | None = None,
    ) -> Self: ...
    @property
    def captured(self) -> bool:
        """Whether the root is not "/": device nodes and processes are then those of another machine."""
    def open(self, path: str) -> int:
        """Opens a file or folder for reading: a descriptor. Symlinks stay inside the root."""
    def open_folder(self, path: str) -> int:
        """Opens a folder for listing: a descriptor. Nothing else is opened."""
    def read(self, path: str) -> bytes:
        """The first MiB of a regular file."""
    def list(self, path: str) -> list[str]:
        """The names in a folder, sorted."""
    def read_or_none(self, path: str) -> bytes | None:
        """As `read`, but None where there is no such file or it cannot be read."""
    def list_or_empty(self, path: str) -> builtins.list[str]:
        """As `list`, but empty where there is no such folder or it cannot be listed."""
    def real(self, path: str) -> str:
        """The path without symlinks, as on the machine itself."""
    def link(self, path: str) -> str:
        """The text of a symlink, as of /proc/PID/exe. It is not followed."""
    def numbered_links(self, path: str, limit: int) -> Sequence[tuple[int, str]]:
        """The numbers and texts of the symlinks in a folder like /proc/PID/fd; of at most `limit` entries."""
    def exists(self, path: str) -> bool:
        """Whether the file or folder exists and this process may see it."""
    def is_roots_own(self, path: str) -> bool:
        """Whether a file in a folder of /dev/shm is root's alone, as is the folder, and neither is a symlink."""
    def device_number(self, path: str) -> tuple[int, int] | None:
        """The major and minor of a block device, None for another file; EXDEV if the path leaves /dev."""
    def file_identity(self, path: str) -> tuple[int, int, int, int]:
        """Device, inode, owner and mode of a file, as its file system has them cached (AT_STATX_DONT_SYNC)."""
    def unix_listeners(self, namespace: str | None = None) -> Sequence[tuple[int, int]]:
        """The listening UNIX sockets that are bound to files (sock_diag(7)), here or in another network namespace.

        Each is its own inode, to which a descriptor of it leads (socket:[INODE]), and the lower 32 bits of its file's.
        """
    def interfaces(self, namespace: str | None = None) -> dict[str, int | None]:
        """The network interfaces in the order of the kernel, and their numbers (ifindex).

        Parameters
        ----------
        namespace : path-like, optional
            Another network namespace, as /run/netns/NAME or /proc/PID/ns/net. Entering it takes CAP_SYS_ADMIN; without
            that, /proc/PID/net/dev has the names only.

        Returns
        -------
        dict of str to int or None
            None where only the names are known, as on a captured machine.

        Raises
        ------
        SourceError
            Neither the namespace nor its /proc/PID/net/dev can be read.
        """
    def place(self, path: str) -> tuple[str, str]:
        """The folder that takes the place of "/" or of /proc, /sys, /dev or /run, and the path below it."""
    def shown(self, path: str) -> str:
        """The path below the root, for messages."""

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

    Each of `paths` comes after those that contain it: a missing folder is watched once it appears. A path may also
    be a file of any name. Paths are those of the machine at `roots`, or without it those of this process. Raises
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
