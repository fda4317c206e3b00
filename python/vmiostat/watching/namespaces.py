"""The network namespaces that domains' interfaces are in."""

from collections.abc import Iterable

from vmiostat.counter_sources import NetDevice, VirtualFunction
from vmiostat.model import Domain


def namespaces(domains: Iterable[Domain]) -> set[str]:
    """Paths of the namespaces, other than the machine's own, that the domains' counters are in."""
    counters = (nic.counter_source for domain in domains for nic in domain.interfaces)
    found = (place.namespace for place in counters if isinstance(place, NetDevice | VirtualFunction))
    return {namespace for namespace in found if namespace is not None}
