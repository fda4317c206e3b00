"""The network namespaces that domains' interfaces are in, and how to listen in one of them."""

import ctypes
import errno
import os
import threading
from collections.abc import Iterable

from vmiostat.counter_sources import NetDevice, VirtualFunction
from vmiostat.model import Domain
from vmiostat.watching.link_changes import LinkChanges

_CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def namespaces(domains: Iterable[Domain]) -> set[str]:
    """Paths of the namespaces, other than the machine's own, that the domains' counters are in."""
    counters = (nic.counter_source for domain in domains for nic in domain.interfaces)
    found = (place.namespace for place in counters if isinstance(place, NetDevice | VirtualFunction))
    return {namespace for namespace in found if namespace is not None}


def links_in(namespace: int) -> LinkChanges:
    """What tells of the links in a namespace, given by its open file. Raises OSError.

    By a thread of its own, which enters the namespace and ends: no other thread ever leaves its own.
    """
    result: list[LinkChanges | OSError] = []

    def listen() -> None:
        try:
            if _libc.setns(namespace, _CLONE_NEWNET) != 0:  # os.setns is there since Python 3.12
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), "setns")
            result.append(LinkChanges())
        except OSError as error:
            result.append(error)

    thread = threading.Thread(target=listen, name="vmiostat-namespace", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise OSError(errno.EAGAIN, str(error)) from error
    thread.join()
    if isinstance(result[0], OSError):
        raise result[0]
    return result[0]
