"""Where domains and their devices are found: one module a provider.

A provider's docstring says what it reads and needs. Here is only which of them are asked, and what becomes of a domain
that two of them see.
"""

import os
from collections.abc import Iterable, Iterator

from vmiostat._core import Roots
from vmiostat.discovery.found import Found
from vmiostat.model import Domain

StrPath = str | os.PathLike[str]


def domains(roots: Roots, xml: StrPath | Iterable[StrPath] | None = None) -> Found:
    """The domains that `xml` defines, and no others; without it those of every provider, and else the host itself."""
    # Here, since lxml takes longer to import than all of the rest: who asks the command for help does not wait for it.
    from vmiostat.discovery import domain_xml, host_itself, libvirt_status, xen_sysfs

    if xml is not None:
        return domain_xml.domains(xml)
    # The earlier one knows more of a domain that both see.
    asked = [provider.domains(roots) for provider in (libvirt_status, xen_sysfs)]
    problems = tuple(problem for found in asked for problem in found.problems)
    seen = tuple(_each_once(domain for found in asked for domain in found.domains))
    if seen:
        return Found(seen, problems)
    host = host_itself.domains(roots)
    return Found(host.domains, problems + host.problems)


def _each_once(found: Iterable[Domain]) -> Iterator[Domain]:
    domids = set()
    for domain in found:
        if domain.type == "xen" and domain.id is not None:
            if domain.id in domids:
                continue
            domids.add(domain.id)
        yield domain
