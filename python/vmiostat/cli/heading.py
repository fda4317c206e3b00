"""The first line of a table, as iostat has it: which machine this is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from vmiostat.cli.names import cell

if TYPE_CHECKING:
    from vmiostat import Host


def heading(host: Host) -> str:
    """`Linux 6.1.0 (node1)  2026-07-01  (8 CPU)`; of a captured machine, what its files say."""
    # Not os.uname(): the counters may be of another machine than this one.
    kernel = _first_line(host, "/proc/sys/kernel/osrelease")
    name = _first_line(host, "/proc/sys/kernel/hostname") or cell(host.roots.shown("/").rstrip("/") or "/")
    # /proc/stat has a line "cpuN ..." for each CPU that is online, after the sum of all, "cpu  ...".
    cpus = sum(line.startswith(b"cpu") for line in (host.roots.read_or_none("/proc/stat") or b"").splitlines()) - 1
    parts = [f"Linux {kernel}".rstrip() + f" ({name})", time.strftime("%Y-%m-%d")]
    return "  ".join([*parts, f"({cpus} CPU)"] if cpus > 0 else parts)


def _first_line(host: Host, path: str) -> str:
    text = (host.roots.read_or_none(path) or b"").decode("utf-8", "surrogateescape").partition("\n")[0]
    return cell(text) if text else ""
