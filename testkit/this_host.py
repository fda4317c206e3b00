"""This machine itself as a domain, even if it has virtual machines."""

from dataclasses import replace

from vmiostat import Domain, Host
from vmiostat.discovery.host_itself import HostItself
from vmiostat.discovery.provider import ScanContext
from vmiostat.resolve import resolve


def this_host(host: Host | None = None) -> Domain:
    """The domain `host`."""
    host = host or Host()
    (found,) = HostItself().scan(ScanContext(host.roots)).domains
    return replace(resolve(found, host.roots), reader=host)
