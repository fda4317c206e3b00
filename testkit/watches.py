"""Watches for tests: of a made machine, or with a scan of the test's own."""

import threading
from functools import partial
from pathlib import Path

from vmiostat import Domain, Error, Roots
from vmiostat.watching.event_sources import EventSources
from vmiostat.watching.scanner import Scan
from vmiostat.watching.watch import Watch

NEVER = 1000.0
"""An interval so long that a test would time out: what the watch finds was announced by an event."""


def names(watch: Watch) -> list[str]:
    return [domain.name for domain in watch.domains]


def watch_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "vmiostat-scan"]


def found(*names: str) -> tuple[list[Domain], tuple[Error, ...]]:
    """The result of a scan that found these domains."""
    return [Domain(name) for name in names], ()


def watching(scan: Scan, root: Path, interval: float = 0.05) -> Watch:
    return Watch(scan, partial(EventSources, Roots(root), None), interval)
