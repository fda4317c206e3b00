"""Watches in tests: of a made machine, or with a look of the test's own."""

import threading
from functools import partial
from pathlib import Path

from vmiostat import Domain, Error, Roots
from vmiostat.watching.event_sources import EventSources
from vmiostat.watching.scanner import Scan
from vmiostat.watching.watch import Watch

NEVER = 1000.0
"""So rarely that a test would time out: whatever is seen was noticed."""


def names(watch: Watch) -> list[str]:
    return [domain.name for domain in watch.domains]


def watch_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "vmiostat-watch"]


def found(*names: str) -> tuple[list[Domain], tuple[Error, ...]]:
    return [Domain(name) for name in names], ()


def watching(look: Scan, root: Path, every: float = 0.05) -> Watch:
    return Watch(look, partial(EventSources, Roots(root), None), every)
