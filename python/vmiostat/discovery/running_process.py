"""The process that has a pid now, as a domain names the one that runs it."""

from vmiostat._core import Roots
from vmiostat.model import Process
from vmiostat.system.processes import start_time


def running_process(pid: int, roots: Roots) -> Process | None:
    """None where there is none, or none that may be seen. It equals the process of a domain that still runs."""
    started = start_time(pid, roots)
    return None if started is None else Process(pid, started)
