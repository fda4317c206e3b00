"""iostat for virtual machines: the disk and network counters of every VM on a host, read straight from the kernel.

>>> import vmiostat
>>> host = vmiostat.Host()
>>> with host.poller() as poller:
...     before = poller.poll()
...     after = poller.poll()
>>> len(after.rates(before).block) == len(after.block)
True
"""

from typing import TYPE_CHECKING

from vmiostat._core import (
    BLOCK_FIELDS,
    INTERFACE_FIELDS,
    STATE_HELP,
    STATES,
    BlockRates,
    BlockRatesTable,
    BlockStats,
    BlockTable,
    Explanation,
    Field,
    InterfaceRates,
    InterfaceRatesTable,
    InterfaceStats,
    InterfaceTable,
    Poller,
    Rates,
    Roots,
    Sample,
    __version__,
)
from vmiostat.asking_poller import AskingPoller
from vmiostat.counters import (
    BlockCounters,
    BlockDevice,
    CgroupIo,
    InterfaceCounters,
    InterfaceSource,
    NetDevice,
    ProcessIo,
    Reported,
    Tapdisk,
    VirtualFunction,
    XenVbd,
)
from vmiostat.errors import Error, NoCounters, SizeError, SourceError, TopologyError, UnknownDevice, UnknownDomain
from vmiostat.following_poller import FollowingPoller
from vmiostat.host import Host
from vmiostat.model import Disk, Domain, Interface, Process
from vmiostat.psutil_names import as_psutil
from vmiostat.watch import Watch

if TYPE_CHECKING:
    from vmiostat.askers.askers import BlockSource
    from vmiostat.askers.rounds import OnDemand
    from vmiostat.discovery.libvirt_connection import LibvirtConnection

__all__ = [
    "BLOCK_FIELDS",
    "INTERFACE_FIELDS",
    "STATES",
    "STATE_HELP",
    "AskingPoller",
    "BlockCounters",
    "BlockDevice",
    "BlockRates",
    "BlockRatesTable",
    "BlockSource",
    "BlockStats",
    "BlockTable",
    "CgroupIo",
    "Disk",
    "Domain",
    "Error",
    "Explanation",
    "Field",
    "FollowingPoller",
    "Host",
    "Interface",
    "InterfaceCounters",
    "InterfaceRates",
    "InterfaceRatesTable",
    "InterfaceSource",
    "InterfaceStats",
    "InterfaceTable",
    "LibvirtConnection",
    "NetDevice",
    "NoCounters",
    "OnDemand",
    "Poller",
    "Process",
    "ProcessIo",
    "Rates",
    "Reported",
    "Roots",
    "Sample",
    "SizeError",
    "SourceError",
    "Tapdisk",
    "TopologyError",
    "UnknownDevice",
    "UnknownDomain",
    "VirtualFunction",
    "Watch",
    "XenVbd",
    "__version__",
    "as_psutil",
]

_LATER = {
    "BlockSource": "vmiostat.askers.askers",
    "LibvirtConnection": "vmiostat.discovery.libvirt_connection",
    "OnDemand": "vmiostat.askers.rounds",
}
"""Imported when they are first used: they bring lxml or threads along, which most programs do without."""


def __getattr__(name: str) -> object:
    if name in _LATER:
        from importlib import import_module

        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
