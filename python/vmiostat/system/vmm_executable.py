"""Whether a process runs a VMM that is installed on this host: by its executable file alone.

Its command line, name and user prove nothing: `exec -a qemu-system-x86_64 su` has a VMM's command line and is root's.
The file is compared by device and inode, since a path in another mount namespace may lead to another file. A link of
procfs is read without its file system. To identify a file may take a request to its file server, so a helper process
does that where the path is not an installed VMM's.
"""

import os
import re
import stat
from collections.abc import Iterable
from enum import Enum
from fnmatch import fnmatchcase, translate
from itertools import chain
from pathlib import PurePath

from vmiostat._core import Roots
from vmiostat.errors import SourceError
from vmiostat.system.probe.pool import PROBE
from vmiostat.system.processes import is_kernel_thread, start_time, user
from vmiostat.system.vmm_programs import PROGRAMS, is_short_for_a_vmm, vmm

FOLDERS = (
    "/usr/bin",
    "/usr/sbin",
    "/usr/local/bin",
    "/usr/libexec",
    "/usr/lib/qemu",
    "/usr/lib/xen/bin",
    "/usr/libexec/xen/bin",
    "/opt/kata/bin",
)
"""Where distributions, Xen and Kata install VMMs."""
LIST = "/etc/vmiostat/vmms"
"""Where the administrator lists more: a path on each line, with * for any part of its last name."""

_DELETED = " (deleted)"
"""What the kernel appends to the path of a file without a name: a package was upgraded while its program runs."""
_INITIAL_USER_NAMESPACE = "user:[4026531837]"
"""PROC_USER_INIT_INO, the same number on every machine (include/linux/proc_ns.h)."""
_COMMENT = re.compile(r"\s*(#.*)?")


class Verdict(Enum):
    """What a process's executable shows."""

    VMM = "a VMM of this host"
    UNVERIFIED = "called like a VMM, without being one of this host's"
    OTHER = "another program"
    HIDDEN = "its executable may not be seen"


class VmmExecutables:
    """The VMMs that are installed, and the verdict on a process. `more` are paths like those in `LIST`."""

    def __init__(self, roots: Roots, more: Iterable[str] = ()) -> None:
        self._roots = roots
        self._more = tuple(more)
        self._files: dict[tuple[int, int], str] = {}
        self._folders: set[int] = set()
        self._own_user_namespace = _link("/proc/self", "ns/user", roots)
        self._listed = False

    def rescan(self) -> None:
        """Lists the installed files again when they are next needed: packages are installed and upgraded."""
        self._listed = False

    def _list(self) -> None:
        self._files, self._folders, self._listed = {}, set(), True
        for folder, patterns in self._places().items():
            matches = re.compile("|".join(map(translate, patterns))).match  # of a thousand names in each scan
            for name in filter(matches, self._roots.list_or_empty(folder)):
                self._add(f"{folder}/{name}")
            try:
                self._folders.add(self._roots.file_identity(folder)[0])
            except SourceError:
                continue

    def verdict(self, pid: int) -> Verdict:
        """The verdict on a process. A captured tree has no executables."""
        if self._roots.captured:
            return Verdict.HIDDEN
        try:
            return self._verdict(pid)
        except SourceError:  # reading of it hangs; the next full scan tries again
            return Verdict.OTHER

    def _verdict(self, pid: int) -> Verdict:
        folder = f"/proc/{pid}"
        path = _link(folder, "exe", self._roots)
        if path is None:
            return Verdict.OTHER if is_kernel_thread(pid, self._roots) else Verdict.HIDDEN
        if not self._listed:
            self._list()
        known = path.removesuffix(_DELETED)
        if vmm(known.rpartition("/")[2]) is None and known not in self._files.values():
            comm = (self._roots.read_or_none(f"{folder}/comm") or b"").rstrip(b"\n")
            # cloud-hypervisor-exporter is no VMM, although the kernel shortens its name to that of one.
            by_its_name = os.fsencode(known.rpartition("/")[2]).startswith(comm)
            is_called = not by_its_name and is_short_for_a_vmm(comm.decode(errors="surrogateescape"))
            return Verdict.UNVERIFIED if is_called else Verdict.OTHER
        if _link(folder, "ns/user", self._roots) not in (_INITIAL_USER_NAMESPACE, self._own_user_namespace):
            return Verdict.UNVERIFIED
        try:
            device, inode, owner, mode = self._identity(pid, known in self._files.values())
        except SourceError:
            return Verdict.UNVERIFIED
        if (device, inode) in self._files:
            return Verdict.VMM
        # Its file has no name any more. Only root can have put a root-owned file on the file system of such a folder,
        # and only in another mount namespace can its path be a lie.
        upgraded = path.endswith(_DELETED) and self._is_listed(known) and device in self._folders
        here = _link(folder, "ns/mnt", self._roots) == _link("/proc/self", "ns/mnt", self._roots)
        return Verdict.VMM if upgraded and here and _is_roots(owner, mode) else Verdict.UNVERIFIED

    def _identity(self, pid: int, installed: bool) -> tuple[int, int, int, int]:
        """Device, inode, owner and mode of a process's executable. Raises SourceError."""
        path = f"/proc/{pid}/exe"
        if installed:
            return self._roots.file_identity(path)
        key, shown = (pid, start_time(pid, self._roots)), self._roots.shown("/proc")
        by = user(pid, self._roots)
        found, _ = PROBE.call("executable", shown, *key, key=key, path=self._roots.shown(path), user=by)
        device, inode, owner, mode = found
        return device, inode, owner, mode

    def _places(self) -> dict[str, list[str]]:
        """Patterns of names by folder."""
        places = {folder: list(chain.from_iterable(PROGRAMS.values())) for folder in FOLDERS}
        listed = (self._roots.read_or_none(LIST) or b"").decode(errors="surrogateescape").split("\n")
        for line in (*self._more, *(line for line in listed if not _COMMENT.fullmatch(line))):
            path = PurePath(line.strip())
            if path.is_absolute():
                places.setdefault(str(path.parent), []).append(path.name)
        return places

    def _add(self, path: str) -> None:
        try:
            path = self._roots.real(path)  # /usr/bin/kvm is a link
            device, inode, owner, mode = self._roots.file_identity(path)
        except SourceError:
            return
        if stat.S_ISREG(mode) and _is_roots(owner, mode):
            self._files[device, inode] = path

    def _is_listed(self, path: str) -> bool:
        folder, _, name = path.rpartition("/")
        return any(fnmatchcase(name, pattern) for pattern in self._places().get(folder, ()))


def _is_roots(owner: int, mode: int) -> bool:
    """Whether root alone can write the file."""
    return owner == 0 and not mode & (stat.S_IWGRP | stat.S_IWOTH)


def _link(folder: str, name: str, roots: Roots) -> str | None:
    """Where a link of procfs leads, None where that may not be seen. Raises SourceError if reading it hangs."""
    try:
        return roots.link(f"{folder}/{name}")
    except SourceError as error:
        if error.errno is None:
            raise
        return None
