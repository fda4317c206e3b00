"""Running domains from libvirt's own status files, without a word to libvirt: /run/libvirt/DRIVER/NAME.xml.

They hold the running domain's XML with today's interface names and, unlike the stored definitions, what each network
came to. libvirt rewrites a file at each change, and removes it when the domain ends. Only root may read them.
"""

import errno
import os
import stat

from vmiostat._core import Roots
from vmiostat.discovery.libvirt.process import with_process
from vmiostat.discovery.provider import Found, ScanContext
from vmiostat.discovery.xml.definition import Definition, FileDefinition, Version, merge_definitions
from vmiostat.discovery.xml.definition_file import read_descriptor
from vmiostat.discovery.xml.domain import parse
from vmiostat.errors import SourceError, TopologyError

DRIVERS = ("qemu", "libxl", "xen", "lxc", "ch", "bhyve", "uml")
"""Folders of drivers that keep status files there. Others (network, storage, nodedev) keep other things."""

_NOT_THERE = (errno.ENOENT, errno.ENOTDIR)
_CLOSED = (errno.EACCES, errno.EPERM)


class LibvirtStatus:
    """Finds the domains that libvirt runs; none, without a problem, where there is no libvirt.

    What a file defines is kept until the file changes.
    """

    name = "libvirt-status"

    def __init__(self) -> None:
        self._known: dict[str, FileDefinition] = {}
        """By the path of the file."""

    def scan(self, context: ScanContext) -> Found:
        roots = context.roots
        before, self._known = self._known, {}
        definitions: list[Definition] = []
        problems: list[TopologyError] = []
        for driver in DRIVERS:
            folder = f"/run/libvirt/{driver}"
            try:
                versions = _versions(folder, roots)
            except SourceError as error:
                if error.errno not in _NOT_THERE:
                    problems.append(_unreadable(error, roots.shown(folder)))
                continue
            for file, version in versions.items():
                try:
                    known = before.get(file)
                    if known is None or version is None or known.version != version:
                        known = FileDefinition(version, _definition(file, roots))
                    definition = known.definition
                    if isinstance(definition, TopologyError):
                        problems.append(definition)
                    elif running := _running(definition, driver, context):
                        definitions.append(running)
                        if running.domain.process is not None:
                            known = FileDefinition(version, running)
                    self._known[file] = known
                except SourceError as error:
                    if error.errno in _CLOSED:  # and so are the others: one sentence is enough
                        what = f"{len(versions)} running domains' files: "
                        problems.append(_unreadable(error, roots.shown(folder), what))
                        break
                    if error.errno not in _NOT_THERE:  # the domain has ended since
                        problems.append(_unreadable(error, roots.shown(file)))
        return merge_definitions(definitions, problems)


def _versions(folder: str, roots: Roots) -> dict[str, Version | None]:
    """The *.xml files of a folder: libvirt never writes into one, it renames a new one over it. Raises SourceError."""
    names = [name for name in roots.list(folder) if name.endswith(".xml")]
    descriptor = roots.open(folder)
    try:
        return {f"{folder}/{name}": _version(name, descriptor) for name in names}
    finally:
        os.close(descriptor)


def _version(name: str, folder: int) -> Version | None:
    """None of what is no regular file: it is to be looked at each time."""
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return None
    return (status.st_ino, status.st_mtime_ns, status.st_size) if stat.S_ISREG(status.st_mode) else None


def _definition(file: str, roots: Roots) -> Definition | TopologyError:
    """Raises SourceError."""
    path = roots.shown(file)
    try:
        return parse(read_descriptor(roots.open(file), path), path, LibvirtStatus.name)
    except TopologyError as error:
        return error


def _running(definition: Definition, driver: str, context: ScanContext) -> Definition | None:
    """The definition with its process; None where that has ended. Only a full scan notices a reused pid."""
    its = definition.domain.process
    if its is not None and its.started is not None and its.pid in context.pids and not context.full:
        return definition
    return with_process(definition, driver, context.roots)


def _unreadable(error: SourceError, path: str, what: str = "") -> TopologyError:
    needed = ""
    if error.errno in _CLOSED:
        needed = "; this takes root, or the domains' XML in files that you may read (virsh dumpxml, then --xml)"
    return TopologyError(f"{what}cannot be read: {error.strerror}{needed}", path)
