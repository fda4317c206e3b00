"""A process of root that follows this host as an agent does, and says each second what it sees and what it costs.

Run as `python -m testkit.real.observer NAME all|only`: NAME is the domain whose rows are told, `only` polls no others.
"""

import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

from testkit.real.flood import VMMS
from testkit.real.process import descriptors, resident_bytes
from vmiostat import BlockStats, Domain, Host, InterfaceStats, Sample

INTERVAL = 0.02
TICK = os.sysconf("SC_CLK_TCK")


def of_domain(sample: Sample, name: str) -> list[str]:
    """All of the domain's rows but the time of the poll: its guest stands still. QEMU itself does some I/O, which is in
    the total alone: that is here without counters.
    """
    rows: list[tuple[tuple[str, str], BlockStats | InterfaceStats]] = [
        *zip(sample.block.keys(), sample.block, strict=True),
        *zip(sample.interface.keys(), sample.interface, strict=True),
    ]
    found = []
    for (domain, device), row in rows:
        if domain == name:
            fields = row._asdict() if device != "total" else {"generation": row.generation}
            same = {field: value for field, value in fields.items() if field not in ("time_ns", "row_id")}
            found.append(f"{device} {row.state} {same}")
    return found


def cpu_time() -> float:
    """Of this process and its helpers, which nobody has waited for."""
    ticks = 0
    for process in ("self", *Path("/proc/self/task", str(os.getpid()), "children").read_text().split()):
        fields = Path("/proc", process, "stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks / TICK


def main(name: str, which: str) -> None:
    def select(domain: Domain) -> Domain | None:
        return domain if which == "all" or domain.name == name else None

    with Host(vmms=VMMS).follow(select=select, qemu_interval=1.0) as poller:
        sample = poller.poll()
        while True:
            second, lasted, seen = time.monotonic(), [], Counter[tuple[str, ...]]()
            cpu = cpu_time()
            while time.monotonic() < second + 1.0:
                began = time.monotonic()
                sample = poller.poll()
                lasted.append(time.monotonic() - began)
                seen[tuple(of_domain(sample, name))] += 1
                time.sleep(INTERVAL)
            passed = time.monotonic() - second
            told = {
                "ended": time.monotonic(),
                "rows": [list(each) for each in seen],
                "all": len(sample.block) + len(sample.interface),
                "cpu": (cpu_time() - cpu) / passed,
                "memory": resident_bytes(),
                "threads": len(list(Path("/proc/self/task").iterdir())),
                "descriptors": descriptors(),
                "slowest": max(lasted),
                "problems": [str(problem) for problem in poller.problems],
            }
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
