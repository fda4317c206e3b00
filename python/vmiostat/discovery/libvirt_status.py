"""Running domains from libvirt's own status files, without a word to libvirt: /run/libvirt/DRIVER/NAME.xml.

They hold the running domain's XML with today's interface names and, unlike the stored definitions, what each network
came to. libvirt rewrites a file at each change, and removes it when the domain ends. Only root may read them.
"""

import errno
import os

from vmiostat._core import Roots
from vmiostat.discovery.definition import Defined, Definition, one_of_each
from vmiostat.discovery.definition_file import read_descriptor
from vmiostat.discovery.domain_xml import parse
from vmiostat.discovery.found import Found
from vmiostat.discovery.libvirt_process import with_process
from vmiostat.earlier_looks import EarlierLooks
from vmiostat.errors import SourceError, TopologyError

PROVIDER = "libvirt-status"

DRIVERS = ("qemu", "libxl", "xen", "lxc", "ch", "bhyve", "uml")
"""Folders of drivers that keep status files there. Others (network, storage, nodedev) keep other things."""

_NOT_THERE = (errno.ENOENT, errno.ENOTDIR)
_CLOSED = (errno.EACCES, errno.EPERM)


def domains(roots: Roots, earlier: EarlierLooks | None = None) -> Found:
    """The domains that libvirt runs; none, without a problem, where there is no libvirt."""
    earlier = earlier or EarlierLooks(roots)
    before, earlier.definitions = earlier.definitions, {}
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
                version, definition = _defined(file, path, roots, before.get(path))
                if isinstance(definition, TopologyError):
                    problems.append(definition)
                elif running := with_process(definition, driver, roots):
                    definitions.append(running)
                    if running.domain.process is not None:
                        definition = running
                earlier.definitions[path] = version, definition
            except SourceError as error:
                if error.errno in _CLOSED:  # and so are the others: one sentence is enough
                    problems.append(_unreadable(error, roots.shown(folder), f"{len(files)} running domains' files: "))
                    break
                if error.errno not in _NOT_THERE:  # the domain has ended since
                    problems.append(_unreadable(error, path))
    return one_of_each(definitions, problems)


def _defined(file: str, path: str, roots: Roots, before: Defined | None) -> Defined:
    """What the file defines, or as it was before: libvirt never writes into a file, it renames a new one over it.

    Raises SourceError.
    """
    descriptor = roots.open(file)
    status = os.fstat(descriptor)
    version = (status.st_ino, status.st_mtime_ns, status.st_size)
    if before is not None and before[0] == version:
        os.close(descriptor)
        return before
    try:
        return version, parse(read_descriptor(descriptor, path), path, PROVIDER)
    except TopologyError as error:
        return version, error


def _unreadable(error: SourceError, path: str, what: str = "") -> TopologyError:
    needed = ""
    if error.errno in _CLOSED:
        needed = "; this takes root, or the domains' XML in files that you may read (virsh dumpxml, then --xml)"
    return TopologyError(f"{what}cannot be read: {error.strerror}{needed}", path)
