"""Xen domains from xenstore: their names and UUIDs, and their disks and vifs as configured.

Read from the daemon's socket, or /dev/xen/xenbus if xenstore runs in a domain of its own, without a Xen library. That
takes root in dom0. Without it, Xen's backends in sysfs show the devices, but not the domains' names.
"""

import errno
import uuid
from collections.abc import Collection, Iterable
from typing import NamedTuple

from vmiostat._core import Roots
from vmiostat.discovery.driver_domain import not_counted_here
from vmiostat.discovery.provider import Found, ScanContext
from vmiostat.discovery.running_process import running_process
from vmiostat.discovery.xen.vif import vif_interfaces
from vmiostat.discovery.xen.xenstore_devices import VIF, Device, served, served_elsewhere
from vmiostat.discovery.xen.xenstore_disk import disk
from vmiostat.discovery.xen.xenstore_queries import Queries
from vmiostat.discovery.xen.xenstore_socket import is_there, xenstore_socket
from vmiostat.errors import Error, SourceError, TopologyError
from vmiostat.model import Domain, Interface, Process
from vmiostat.system.vmm_executable import Verdict, VmmExecutables
from vmiostat.system.xen_backend import devices

_DOMAINS = "/local/domain"
_TOO_LONG = "the list of {} is too long for this xenstore to send: what is in it is left out"
_CLOSED = (errno.EACCES, errno.EPERM)


class _Called(NamedTuple):
    name: str
    uuid: str | None
    qemu: Process | None
    """The QEMU that libxl started for it, which need not run as root (device_model_user)."""


class Xenstore:
    """Finds the domains in xenstore; none, without a problem, on a machine that is no dom0.

    While xenstore does not answer, its last answer is kept.
    """

    name = "xenstore"

    def __init__(self) -> None:
        self._last: tuple[Domain, ...] | None = None

    def scan(self, context: ScanContext) -> Found:
        roots = context.roots
        try:
            xenstore = xenstore_socket(roots)
            if xenstore is None:
                return Found()
            with Queries(xenstore) as queries:
                if xenstore.device and not queries.may_read(_DOMAINS):
                    return Found()  # a guest has the device, too
                found = _found(queries, context)
        except SourceError as error:
            if error.errno in _CLOSED and not is_there(roots) and not devices(roots):
                return Found()  # a guest again, and this process is not root
            return Found(self._last or (), (_unanswered(error, kept=self._last is not None),))
        self._last = found.domains
        return found


def _found(queries: Queries, context: ScanContext) -> Found:
    roots = context.roots
    domids = [int(name) for name in queries.names([_DOMAINS])[0] if name.isdecimal() and name.isascii()]
    called = _called(queries, domids, context)
    here = served(queries)
    elsewhere = served_elsewhere(queries, [domid for domid in domids if domid], here)
    problems: list[Error] = [TopologyError(_TOO_LONG.format(path), queries.path) for path in queries.too_long]
    try:
        names: Collection[str] = roots.interfaces()
    except SourceError as error:
        names = ()
        problems.append(error)
    found = []
    for domid in sorted(called):
        own = [device for device in [*here, *elsewhere] if device.domid == domid]
        found.append(_domain(domid, called, own, names, roots))
    return Found(tuple(found), tuple(problems))


def _called(queries: Queries, domids: Iterable[int], context: ScanContext) -> dict[int, _Called]:
    domids = list(domids)
    names = queries.values(f"{_DOMAINS}/{domid}/name" for domid in domids)
    paths = queries.values(f"{_DOMAINS}/{domid}/vm" for domid in domids)
    pids = queries.values(f"{_DOMAINS}/{domid}/image/device-model-pid" for domid in domids)
    qemus = [_qemu(pid or "", context.executables, context.roots) for pid in pids]
    return {
        domid: _Called(name or f"Domain-{domid}", _uuid(path or ""), qemu)
        for domid, name, path, qemu in zip(domids, names, paths, qemus, strict=True)
    }


def _qemu(pid: str, executables: VmmExecutables, roots: Roots) -> Process | None:
    """The process of this pid, if it is a VMM: xenstore does not say when it was started."""
    if not pid.isdecimal() or not pid.isascii() or len(pid) > 9:
        return None
    is_vmm = executables.verdict(int(pid)) in (Verdict.VMM, Verdict.HIDDEN)
    return running_process(int(pid), roots) if is_vmm else None


def _uuid(path: str) -> str | None:
    """From /vm/UUID, to which xend appended -1 after a restart."""
    try:
        return str(uuid.UUID(path.removeprefix("/vm/")[:36]))
    except ValueError:
        return None


def _domain(
    domid: int, called: dict[int, _Called], own: Iterable[Device], names: Collection[str], roots: Roots
) -> Domain:
    nics: list[Interface] = []
    disks = []
    for device in sorted(own, key=lambda device: device.number):
        reason = _served_by(device.server, called)
        if device.kind != VIF:
            disks.append(disk(device, reason))
        elif reason:
            name = f"vif{domid}.{device.number}"
            nics.append(Interface(name, "ethernet", device.value("mac"), device.value("bridge"), reason=reason))
        else:
            nics += vif_interfaces(
                domid,
                device.number,
                names,
                roots,
                configured=device.value("vifname"),
                mac=device.value("mac"),
                bridge=device.value("bridge"),
            )
    return Domain(
        name=called[domid].name,
        id=domid,
        uuid=called[domid].uuid,
        type="xen",
        provider=Xenstore.name,
        process=called[domid].qemu,
        disks=tuple(disks),
        interfaces=tuple(nics),
    )


def _served_by(server: int, called: dict[int, _Called]) -> str:
    if server == 0:
        return ""
    name = called[server].name if server in called else f"Domain-{server}"
    return not_counted_here(f"{name!r} (id {server})")


def _unanswered(error: SourceError, *, kept: bool) -> TopologyError:
    if error.errno in _CLOSED:
        then = "; run as root to get the domains' names and UUIDs, their disks' names, and devices of driver domains"
    elif kept:
        then = "; its last answer is kept"
    else:
        then = "; domains are named after their ids, and disks after their numbers"
    return TopologyError(f"xenstore cannot be queried: {error.strerror}{then}", str(error.filename))
