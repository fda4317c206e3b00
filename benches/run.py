"""`python -m benches.run [full | quick | once]`: measures everything on devices of its own, prints tables, saves JSON.

It needs root. The numbers go to benches/results/SIZES.json, or where --save says.
"""

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benches import sizes
from benches.column import Column
from benches.columns.disks import disk_columns
from benches.columns.guests import guest_columns
from benches.columns.interfaces import interface_columns
from benches.columns.one_vm import vm_columns
from benches.floor.program import running_floor
from benches.interleaved import measure
from benches.machine import Machine, made_machine
from benches.sizes import Sizes
from benches.tables import text
from benches.worst_case import worst_cases

RESULTS = Path(__file__).parent / "results"
Results = dict[str, Any]


def run(folder: Path, how: Sizes) -> Results:
    """Everything, on a machine that is made in the folder."""
    results: Results = {"machine": this_machine(), "tables": [], "worst": []}
    with made_machine(folder) as machine:
        measured_disks = 0
        for interfaces, disks in how.steps:
            machine.grow(interfaces, disks)
            for kind, count, columns in _tables(machine, how, new_disks=disks > measured_disks):
                rows = [asdict(row) for row in measure(columns, how.seconds)]
                results["tables"].append({"kind": kind, "devices": count, "columns": rows})
                columns.clear()  # closes what they keep open
            measured_disks = disks
            if (interfaces, disks) == how.worst_step:
                results["worst"] = [asdict(row) for row in worst_cases(machine, how)]
    return results


def beside_libvirt(how: Sizes) -> list[dict[str, Any]]:
    """The table of the lab's guests, if it is up."""
    with guest_columns() as (guests, columns):
        rows = [asdict(row) for row in measure(columns, how.seconds)] if guests else []
    return [{"kind": "guests", "devices": guests, "columns": rows}] if guests else []


def _tables(machine: Machine, how: Sizes, *, new_disks: bool) -> Iterator[tuple[str, int, list[Column]]]:
    """What is measured at this step: which table, of how many devices, and its columns."""
    interfaces, loops = machine.interfaces, machine.loops
    with running_floor(machine, interfaces, loops) as floor:
        yield "interfaces", len(interfaces), interface_columns(machine, floor)
        if new_disks:
            yield "disks", len(loops), disk_columns(machine, floor)
    if (len(interfaces), len(loops)) in how.vm_steps:
        with running_floor(machine, interfaces[:1], loops[:1]) as floor:
            yield "one VM", len(interfaces), vm_columns(machine, floor, interfaces[0], loops[0])


def this_machine() -> dict[str, Any]:
    """What the numbers depend on."""
    return {
        "kernel": platform.release().partition("-")[0],  # not who built it
        "architecture": platform.machine(),
        "processors": os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count(),
        "python": platform.python_version(),
        **{package: version(package) for package in ("vmiostat", "psutil", "numpy")},
    }


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m benches.run", description=__doc__)
    options.add_argument("sizes", nargs="?", default="full", choices=sizes.BY_NAME)
    options.add_argument("--save", type=Path, help="the JSON file")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        how = sizes.BY_NAME[arguments.sizes]
        results = run(Path(folder), how)
    results["tables"] += beside_libvirt(how)
    save = arguments.save or RESULTS / f"{arguments.sizes}.json"
    save.parent.mkdir(exist_ok=True)
    save.write_text(json.dumps(results, indent=1) + "\n")
    print(text.whole(results))


if __name__ == "__main__":
    main()
