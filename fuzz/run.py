"""Runs the fuzz targets: `seconds 10` each for so long, `executions 1000000` each until it has had so many inputs.

What a target finds worth keeping goes into fuzz/runs/TARGET, beside the seeds of fuzz/corpus/TARGET. The second way
counts in fuzz/runs/executions.json, and goes on where it was stopped. An input that fails is named, and stays there.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
RUNS = HERE / "runs"
IN_PYTHON = {path.stem: path for path in (HERE / "python").glob("*.py")}
TARGETS = sorted([*IN_PYTHON, *(path.stem for path in (HERE / "src" / "bin").glob("*.rs"))])
STEP = 2_000_000
"""Executions between two looks at the tally."""
ANSWERS = {"domain_xml", "qmp"}
"""Read in Python, and yet as often as what Rust reads: they come from what a guest may have taken over."""
SLOWER = dict.fromkeys(["line_table", *IN_PYTHON.keys() - ANSWERS], 100)
"""So many fewer are asked of these: an execution of the one writes and reads files, the others are in Python."""


def executions_of(target: str, *limits: str) -> int:
    """Runs a target; how many inputs it was given."""
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
    told = done.stderr.decode(errors="replace")
    count = re.search(r"number_of_executed_units: (\d+)", told)
    if done.returncode != 0 or count is None:
        sys.exit(
            f"{told}\n{target} failed: the input is named above; `{' '.join(map(str, program))} INPUT` does it again"
        )
    return int(count[1])


def for_seconds(seconds: int) -> None:
    for target in TARGETS:
        print(f"{target}: {executions_of(target, f'-max_total_time={seconds}'):,} executions", flush=True)


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
