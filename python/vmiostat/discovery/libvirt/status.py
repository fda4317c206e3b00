"""Running domains from libvirt's status files, /run/libvirt/DRIVER/NAME.xml, without calling libvirt.

They contain the running domain's XML with the current interface names and, unlike stored definitions, the live type of
each network interface. libvirt rewrites a file at each change, and removes it when the domain ends. Only root may read
them.
"""

import errno
import os
import stat
from dataclasses import replace

from vmiostat._core import Roots
from vmiostat.discovery.libvirt.process import with_process
from vmiostat.discovery.provider import Found, ScanContext
from vmiostat.discovery.xml.definition import Definition, FileDefinition, Version, merge_definitions
from vmiostat.discovery.xml.definition_file import read_descriptor
from vmiostat.discovery.xml.domain import parse
from vmiostat.errors import SourceError, TopologyError

DRIVERS = ("qemu", "libxl", "xen", "lxc", "ch", "bhyve", "uml")
"""Drivers of domains, by the name of their folder. Other folders (network, storage, nodedev) have no domains."""

_VMMS = {"ch": "cloud-hypervisor"}
"""Drivers of a VMM that has a domain type of QEMU's, and serves its disks."""
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR)
_CLOSED = (errno.EACCES, errno.EPERM)


class LibvirtStatus:
    """Finds the domains that libvirt runs; none, without a problem, on a machine without libvirt.

    A file is parsed again only after a change.
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
                        known = FileDefinition(version, _definition(file, driver, roots))
                    definition = known.definition
                    if isinstance(definition, TopologyError):
                        problems.append(definition)
                    elif running := _running(definition, driver, context):
                        definitions.append(running)
                        if running.domain.process is not None:
                            known = FileDefinition(version, running)
                    self._known[file] = known
                except SourceError as error:
                    if error.errno in _CLOSED:  # and so are the others: one problem is enough
                        what = f"{len(versions)} running domains' files: "
                        problems.append(_unreadable(error, roots.shown(folder), what))
                        break
                    if error.errno not in _NOT_THERE:  # unless the domain has just ended
                        problems.append(_unreadable(error, roots.shown(file)))
        return merge_definitions(definitions, problems)


def _versions(folder: str, roots: Roots) -> dict[str, Version | None]:
    """The *.xml files of a folder. libvirt renames a new file over the old one. Raises SourceError."""
    names = [name for name in roots.list(folder) if name.endswith(".xml")]
    descriptor = roots.open(folder)
    try:
        return {f"{folder}/{name}": _version(name, descriptor) for name in names}
    finally:
        os.close(descriptor)


def _version(name: str, folder: int) -> Version | None:
    """None if it is not a regular file, which is opened at each scan."""
    try:
        status = os.stat(name.encode(errors="surrogateescape"), dir_fd=folder, follow_symlinks=False)
    except OSError:
        return None
    return (status.st_ino, status.st_mtime_ns, status.st_size) if stat.S_ISREG(status.st_mode) else None


def _definition(file: str, driver: str, roots: Roots) -> Definition | TopologyError:
    """Raises SourceError."""
    path = roots.shown(file)
    try:
        found = parse(read_descriptor(roots.open(file), path), path, LibvirtStatus.name)
    except TopologyError as error:
        return error
    if driver not in _VMMS:
        return found
    disks = tuple(replace(disk, driver=_VMMS[driver]) for disk in found.domain.disks)
    return replace(found, domain=replace(found.domain, disks=disks))


def _running(definition: Definition, driver: str, context: ScanContext) -> Definition | None:
    """The definition with its process; None if that has ended. A reused pid is noticed only by a full scan."""
    its = definition.domain.process
    if its is not None and its.started is not None and its.pid in context.pids and not context.full:
        return definition
    return with_process(definition, driver, context.roots)


def _unreadable(error: SourceError, path: str, what: str = "") -> TopologyError:
    needed = ""
    if error.errno in _CLOSED:
        needed = "; run as root, or save the domains' XML (virsh dumpxml) and give it with --xml"
    return TopologyError(f"{what}cannot be read: {error.strerror}{needed}", path)
