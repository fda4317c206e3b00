"""Running domains from libvirt's own status files, without a word to libvirt: /run/libvirt/DRIVER/NAME.xml.

They hold the running domain's XML with today's interface names and, unlike the stored definitions, what each network
came to. libvirt rewrites a file at each change, and removes it when the domain ends. Only root may read them.
"""

import errno
import os
from typing import Any

from vmiostat._core import Roots
from vmiostat.discovery.definition import Definition, one_of_each
from vmiostat.discovery.definition_file import read_descriptor
from vmiostat.discovery.domain_xml import parse
from vmiostat.discovery.found import Found
from vmiostat.discovery.libvirt_process import with_process
from vmiostat.errors import SourceError, TopologyError

PROVIDER = "libvirt-status"

DRIVERS = ("qemu", "libxl", "xen", "lxc", "ch", "bhyve", "uml")
"""Folders of drivers that keep status files there. Others (network, storage, nodedev) keep other things."""

_NOT_THERE = (errno.ENOENT, errno.ENOTDIR)
_CLOSED = (errno.EACCES, errno.EPERM)


def domains(roots: Roots, known: dict[str, Any] | None = None) -> Found:
    """The domains that libvirt runs; none, without a problem, where there is no libvirt.

    `known` is the caller's to keep from one call to the next: a file that has not changed since is not parsed again.
    """
    known = {} if known is None else known
    seen: dict[str, Any] = {}
    definitions: list[Definition] = []
    problems: list[TopologyError] = []
    for driver in DRIVERS:
        folder = f"/run/libvirt/{driver}"
        try:
            files = [f"{folder}/{name}" for name in roots.list(folder) if name.endswith(".xml")]
        except SourceError as error:
            if error.errno not in _NOT_THERE:
                problems.append(_unreadable(error, roots.shown(folder)))
            continue
        for file in files:
            path = roots.shown(file)
            try:
                definitions += with_process(_definition(file, path, roots, known, seen), driver, roots)
            except TopologyError as error:
                problems.append(error)
            except SourceError as error:
                if error.errno in _CLOSED:  # and so are the others: one sentence is enough
                    problems.append(_unreadable(error, roots.shown(folder), f"{len(files)} running domains' files: "))
                    break
                if error.errno not in _NOT_THERE:  # the domain has ended since
                    problems.append(_unreadable(error, path))
    known.clear()
    known.update(seen)
    return one_of_each(definitions, problems)


def _definition(file: str, path: str, roots: Roots, known: dict[str, Any], seen: dict[str, Any]) -> Definition:
    """What the file defines, or as it was known: libvirt never writes into a file, it renames a new one over it.

    Raises TopologyError or SourceError.
    """
    descriptor = roots.open(file)
    status = os.fstat(descriptor)
    version = (status.st_ino, status.st_mtime_ns, status.st_size)
    if path in known and known[path][0] == version:
        os.close(descriptor)
        definition: Definition | TopologyError = known[path][1]
    else:
        try:
            definition = parse(read_descriptor(descriptor, path), path, PROVIDER)
        except TopologyError as error:
            definition = error
    seen[path] = (version, definition)
    if isinstance(definition, TopologyError):
        raise definition.with_traceback(None)  # which would grow each time
    return definition


def _unreadable(error: SourceError, path: str, what: str = "") -> TopologyError:
    needed = ""
    if error.errno in _CLOSED:
        needed = "; this takes root, or the domains' XML in files that you may read (virsh dumpxml, then --xml)"
    return TopologyError(f"{what}cannot be read: {error.strerror}{needed}", path)
