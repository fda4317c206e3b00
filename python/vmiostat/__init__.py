"""iostat for virtual machines: the disk and network counters of every VM on a host, read straight from the kernel.

>>> import vmiostat
>>> host = vmiostat.Host()
>>> with host.poller() as poller:
...     before = poller.poll()
...     after = poller.poll()
>>> len(after.rates(before).block) == len(after.block)
True
"""

import vmiostat.import_path  # noqa: F401, I001  first: it says from where all others are imported

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
    Rates,
    Roots,
    Sample,
    __version__,
)
from vmiostat.counter_sources import (
    BlockCounterSource,
    BlockDevice,
    CgroupIo,
    InterfaceCounterSource,
    InterfaceSource,
    NetDevice,
    ProcessIo,
    Tapdisk,
    VirtualFunction,
    VmmReported,
    XenVbd,
)
from vmiostat.errors import Error, NoCounters, SizeError, SourceError, TopologyError, UnknownDevice, UnknownDomain
from vmiostat.host import Host
from vmiostat.model import Disk, Domain, Interface, Process
from vmiostat.polling.poller import Poller
from vmiostat.polling.written import Written
from vmiostat.psutil_compat import as_psutil
from vmiostat.watching.watch import Watch

if TYPE_CHECKING:
    from vmiostat.discovery.libvirt.connection import LibvirtConnection
    from vmiostat.dtypes import BLOCK_DTYPE as BLOCK_DTYPE
    from vmiostat.dtypes import INTERFACE_DTYPE as INTERFACE_DTYPE
    from vmiostat.qemu_stats.query_thread import OnDemand
    from vmiostat.qemu_stats.selection import BlockSource

__all__ = [
    "BLOCK_FIELDS",
    "INTERFACE_FIELDS",
    "STATES",
    "STATE_HELP",
    "BlockCounterSource",
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
    "Host",
    "Interface",
    "InterfaceCounterSource",
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
    "Roots",
    "Sample",
    "SizeError",
    "SourceError",
    "Tapdisk",
    "TopologyError",
    "UnknownDevice",
    "UnknownDomain",
    "VirtualFunction",
    "VmmReported",
    "Watch",
    "Written",
    "XenVbd",
    "__version__",
    "as_psutil",
]

_LAZY = {
    "BLOCK_DTYPE": "vmiostat.dtypes",
    "INTERFACE_DTYPE": "vmiostat.dtypes",
    "BlockSource": "vmiostat.qemu_stats.selection",
    "LibvirtConnection": "vmiostat.discovery.libvirt.connection",
    "OnDemand": "vmiostat.qemu_stats.query_thread",
}
"""Imported at their first use: they bring numpy, lxml or threads along, which most programs do without."""


def __getattr__(name: str) -> object:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    # Not in __all__: `from vmiostat import *` must work without numpy.
    return sorted([*__all__, "BLOCK_DTYPE", "INTERFACE_DTYPE"])
