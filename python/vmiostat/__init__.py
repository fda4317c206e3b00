"""iostat for virtual machines: the disk and network counters of every VM on a host, read straight from the kernel.

>>> import vmiostat
>>> host = vmiostat.Host()
>>> with host.poller() as poller:
...     before = poller.poll()
...     after = poller.poll()
>>> len(after.rates(before).block) == len(after.block)
True
"""

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
from vmiostat.errors import Error, NoCounters, SizeError, SourceError, TopologyError, UnknownDevice, UnknownDomain
from vmiostat.following_poller import FollowingPoller
from vmiostat.host import Host
from vmiostat.model import Disk, Domain, Interface
from vmiostat.psutil_names import as_psutil
from vmiostat.watch import Watch

__all__ = [
    "BLOCK_FIELDS",
    "INTERFACE_FIELDS",
    "STATES",
    "STATE_HELP",
    "AskingPoller",
    "BlockRates",
    "BlockRatesTable",
    "BlockStats",
    "BlockTable",
    "Disk",
    "Domain",
    "Error",
    "Explanation",
    "Field",
    "FollowingPoller",
    "Host",
    "Interface",
    "InterfaceRates",
    "InterfaceRatesTable",
    "InterfaceStats",
    "InterfaceTable",
    "NoCounters",
    "Poller",
    "Rates",
    "Roots",
    "Sample",
    "SizeError",
    "SourceError",
    "TopologyError",
    "UnknownDevice",
    "UnknownDomain",
    "Watch",
    "__version__",
    "as_psutil",
]
