"""Runs the fuzz targets: `seconds 10` each for so long, `executions 1000000` each until it has had so many inputs.

Inputs worth keeping go into fuzz/runs/TARGET; the seeds are in fuzz/corpus/TARGET. `executions` keeps its counts in
fuzz/runs/executions.json, and continues where it was stopped. An input that fails is kept there and named.
"""

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
RUNS = HERE / "runs"
IN_PYTHON = {path.stem: path for path in (HERE / "python").glob("*.py")}
TARGETS = sorted([*IN_PYTHON, *(path.stem for path in (HERE / "src" / "bin").glob("*.rs"))])
STEP = 2_000_000
"""Executions between two updates of the tally."""
HOSTILE = {"domain_xml", "qmp"}
"""Parsed in Python, and still given as many inputs as Rust's parsers: a guest may have taken over what writes them."""
SLOWER = dict.fromkeys(["line_table", *IN_PYTHON.keys() - HOSTILE], 100)
"""So many times fewer inputs for these: line_table writes and reads files, and the others are in Python."""


def executions_of(target: str, *limits: str) -> int:
    """Runs a target. Returns the number of inputs."""
    found = RUNS / target
    found.mkdir(parents=True, exist_ok=True)
    if target in IN_PYTHON:
        program: list[str | Path] = [sys.executable, IN_PYTHON[target], "-max_len=4000"]
    else:
        program = [*HERE.glob(f"target/*/release/{target}"), "-max_len=1000"]
    command = [
        *program,
        "-print_final_stats=1",
        f"-artifact_prefix={RUNS}/{target}-",
        *limits,
    ]
    done = subprocess.run(
        [*command, found, HERE / "corpus" / target], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
    )
    output = done.stderr.decode(errors="replace")
    count = re.search(r"number_of_executed_units: (\d+)", output)
    if done.returncode != 0 or count is None:
        sys.exit(
            f"{output}\n{target} failed on the input named above; to reproduce: `{' '.join(map(str, program))} INPUT`"
        )
    return int(count[1])


def for_seconds(seconds: int) -> None:
    """A target a processor at a time."""

    def run(target: str) -> int:
        return executions_of(target, f"-max_total_time={seconds}")

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for target, executions in zip(TARGETS, pool.map(run, TARGETS), strict=True):
            print(f"{target}: {executions:,} executions", flush=True)


def until_executions(wanted: int) -> None:
    tally = RUNS / "executions.json"
    counts = dict.fromkeys(TARGETS, 0)
    if tally.exists():
        counts |= json.loads(tally.read_text())
    goals = {target: wanted // SLOWER.get(target, 1) for target in TARGETS}
    while open_ := [target for target in TARGETS if counts[target] < goals[target]]:
        for target in open_:
            step = min(STEP // SLOWER.get(target, 1), goals[target] - counts[target])
            counts[target] += executions_of(target, f"-runs={step}")
            tally.write_text(json.dumps(counts))
            print(f"{target}: {counts[target]:,} of {goals[target]:,}", flush=True)
    print(f"{sum(counts.values()):,} executions in all, no failure")


if __name__ == "__main__":
    way, amount = sys.argv[1], int(sys.argv[2])
    {"seconds": for_seconds, "executions": until_executions}[way](amount)
