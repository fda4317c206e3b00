"""The process that has a pid now, as a domain names the one that runs it."""

from vmiostat._core import Roots
from vmiostat.model import Process
from vmiostat.system.processes import start_time


def running_process(pid: int, roots: Roots) -> Process | None:
    """None if there is none or it is hidden. Equal to the process of a domain for as long as that runs."""
    started = start_time(pid, roots)
    return None if started is None else Process(pid, started)
