"""Files and folders that come, go or are written: inotify on the folders that hold them.

libvirt writes each change of a domain as NAME.xml.new and renames it, and deletes NAME.xml when the domain ends. So the
folder is watched and not the file, which is another one each time.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Callable, Iterator, Sequence

_IN_CLOSE_WRITE, _IN_CREATE = 0x8, 0x100
_IN_MOVED_FROM, _IN_MOVED_TO, _IN_DELETE = 0x40, 0x80, 0x200
_IN_DELETE_SELF, _IN_MOVE_SELF = 0x400, 0x800
_IN_UNMOUNT, _IN_Q_OVERFLOW, _IN_IGNORED = 0x2000, 0x4000, 0x8000
_IN_ONLYDIR = 0x01000000

_WRITTEN = _IN_CLOSE_WRITE | _IN_MOVED_FROM | _IN_MOVED_TO | _IN_DELETE
"""Not _IN_CREATE: a file that was just made has nothing in it yet."""
_FOLDER_ITSELF = _IN_DELETE_SELF | _IN_MOVE_SELF | _IN_UNMOUNT | _IN_IGNORED

_FOR_NOW = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Errors that say nothing of the folder: it may be there as before."""
_NO_FOLDER = (errno.ENOENT, errno.ENOTDIR, errno.EACCES)
"""It went meanwhile, is a file, or discovery tells that it may not be read."""

_EVENT = struct.Struct("=iIII")  # watch, mask, cookie, length of the name that follows

_libc = ctypes.CDLL(None, use_errno=True)


class FolderChanges:
    """Says when a *.xml file in one of the folders was written, renamed or deleted, or one of the folders came or went.

    `paths` are folders, the upper ones before those in them: one that is not there yet is watched once it has come.
    A path may also be a file in one of them, whatever it is called. `opened` opens a folder for reading.
    """

    def __init__(self, opened: Callable[[str], int], paths: Sequence[str]) -> None:
        self._opened = opened
        self._paths = tuple(dict.fromkeys(paths))
        self._names = frozenset(os.fsencode(os.path.basename(path.rstrip("/"))) for path in self._paths)  # noqa: PTH119
        self._watches: dict[str, int] = {}
        self.unwatched: OSError | None = None
        """Why one of the folders that are there is not watched."""
        self._inotify = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC), "inotify")
        self.renew()

    def fileno(self) -> int:
        return self._inotify

    def renew(self) -> None:
        """Watches the folders that stand under the paths now, and no others: some came, went, or lie under a mount."""
        self.unwatched = None
        watches = {path: watch for path in self._paths if (watch := self._watch(path)) is not None}
        for old in set(self._watches.values()) - set(watches.values()):
            _libc.inotify_rm_watch(self._inotify, old)
        self._watches = watches

    def drain(self) -> bool:
        try:
            events = os.read(self._inotify, 1 << 16)
        except BlockingIOError:
            return False
        look = renew = False
        for watch, mask, name in _events(events):
            is_folder = mask & _FOLDER_ITSELF and watch in self._watches.values()
            if mask & _IN_Q_OVERFLOW or is_folder or name in self._names:
                look = renew = True
            elif mask & _WRITTEN and name.endswith(b".xml"):
                look = True
        if renew:
            self.renew()
        return look

    def close(self) -> None:
        os.close(self._inotify)

    def _watch(self, path: str) -> int | None:
        """The folder's watch, the same number as before if it is the same folder; None where it cannot be watched."""
        try:
            folder = self._opened(path)
        except (OSError, ValueError) as error:  # discovery tells of what it may not read
            if not isinstance(error, OSError) or error.errno not in _FOR_NOW:
                return None
            self.unwatched = _without_frames(error)
            return self._watches.get(path)
        try:
            mask = _WRITTEN | _IN_CREATE | _IN_DELETE_SELF | _IN_MOVE_SELF | _IN_ONLYDIR
            # By our own descriptor: a captured machine's symlinks were followed within it.
            return _checked(_libc.inotify_add_watch(self._inotify, b"/proc/self/fd/%d" % folder, mask), path)
        except OSError as error:
            if error.errno not in _NO_FOLDER:
                self.unwatched = _without_frames(error)
            return None
        finally:
            os.close(folder)


def _events(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Watch, mask and name of each event."""
    start = 0
    while start + _EVENT.size <= len(data):
        watch, mask, _, length = _EVENT.unpack_from(data, start)
        start += _EVENT.size
        yield watch, mask, data[start : start + length].rstrip(b"\0")
        start += length


def _without_frames(error: OSError) -> OSError:
    """To be kept: its traceback would keep what it went through."""
    return OSError(error.errno, error.strerror, error.filename)


def _checked(result: int, path: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return result
