"""Where domains and their devices are found: one module a provider.

A provider's docstring says what it reads and needs. Here is only which of them are asked, and in what order: the
earlier one knows more of a domain that two of them see. Only a Xen domain's devices xenstore knows better than libvirt.
"""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from vmiostat._core import Roots
from vmiostat.discovery.merge import merge_domains
from vmiostat.discovery.provider import Found
from vmiostat.discovery.scan_cache import ScanCache
from vmiostat.model import Domain

if TYPE_CHECKING:
    from vmiostat.discovery.libvirt.connection import LibvirtConnection

StrPath = str | os.PathLike[str]


def domains(
    roots: Roots,
    xml: StrPath | Iterable[StrPath] | None = None,
    *,
    earlier: ScanCache | None = None,
    libvirt: "LibvirtConnection | None" = None,
) -> Found:
    """The domains that `xml` defines, and no others; without it those of every provider, and else the host itself.

    `earlier` looks are for who looks again and again, and has begun this one. `libvirt` is asked first; while it does
    not answer, its status files know better than what it said before.
    """
    # Here, since lxml takes longer to import than all of the rest: who asks the command for help does not wait for it.
    from vmiostat.discovery import host_itself
    from vmiostat.discovery.libvirt import status as libvirt_status
    from vmiostat.discovery.libvirt.xen import with_devices_of_xenstore
    from vmiostat.discovery.vmm import processes as vmm_processes
    from vmiostat.discovery.xen import sysfs as xen_sysfs
    from vmiostat.discovery.xen import xenstore
    from vmiostat.discovery.xml import domain as domain_xml

    if xml is not None:
        return domain_xml.domains(xml)
    earlier = earlier or ScanCache(roots)
    asked = [libvirt_status.domains(roots, earlier)]
    if libvirt is not None:
        told = libvirt.domains(roots)
        # Who may not read the files has asked the daemon for just that reason.
        asked = [*asked, told] if told.problems else [told, Found(asked[0].domains)]
    xen = xenstore.domains(roots, earlier)
    asked = [*(with_devices_of_xenstore(found, xen.domains) for found in asked), xen, xen_sysfs.domains(roots)]
    # A process that is known already need not be looked at.
    pids = {domain.process.pid for found in asked for domain in found.domains if domain.process is not None}
    asked.append(vmm_processes.domains(roots, earlier, besides=pids))
    problems = tuple(problem for found in asked for problem in found.problems)
    seen = merge_domains(domain for found in asked for domain in found.domains if not _is_dom0(domain))
    if seen:
        return Found(seen, problems)
    host = host_itself.domains(roots)
    return Found(host.domains, problems + host.problems)


def _is_dom0(domain: Domain) -> bool:
    """Whether it is a Xen host under libvirt's name for it, Domain-0. One with a disk of a backend is its own guest."""
    return domain.type == "xen" and domain.id == 0 and not domain.disks and not domain.interfaces
