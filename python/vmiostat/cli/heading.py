"""The first line of a table, as iostat has it: which machine this is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from vmiostat.cli.names import cell

if TYPE_CHECKING:
    from vmiostat import Host


def heading(host: Host) -> str:
    """`Linux 6.1.0 (node1)  2026-07-01  (8 CPU)  guest's view`; of a captured machine, what its files say."""
    # Not os.uname(): the counters may be of another machine than this one.
    kernel = _first_line(host, "/proc/sys/kernel/osrelease")
    name = cell(host_name(host) or host.roots.shown("/").rstrip("/") or "/")
    # /proc/stat has a line "cpuN ..." for each CPU that is online, after the sum of all, "cpu  ...".
    cpus = sum(line.startswith(b"cpu") for line in (host.roots.read_or_none("/proc/stat") or b"").splitlines()) - 1
    parts = [f"Linux {kernel}".rstrip() + f" ({name})", time.strftime("%Y-%m-%d")]
    return "  ".join([*parts, *([f"({cpus} CPU)"] if cpus > 0 else []), f"{host.view}'s view"])


def host_name(host: Host) -> str | None:
    """The name of the machine; None where a captured one has none."""
    text = host.roots.read_or_none("/proc/sys/kernel/hostname") or b""
    return text.decode("utf-8", "surrogateescape").partition("\n")[0] or None


def _first_line(host: Host, path: str) -> str:
    text = (host.roots.read_or_none(path) or b"").decode("utf-8", "surrogateescape").partition("\n")[0]
    return cell(text) if text else ""
