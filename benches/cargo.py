"""Programs in Rust that the benchmarks run."""

import json
import subprocess
from pathlib import Path

from testkit.real.needs import need_program

ROOT = Path(__file__).parents[1]


def built(manifest: str, *what: str) -> Path:
    """Builds a program of the package, if need be, with the profile that users get; where it is."""
    need_program("cargo")
    command = ["cargo", "build", "--release", "--locked", "-q", "--message-format=json-render-diagnostics"]
    out = subprocess.run(
        [*command, "--manifest-path", manifest, "--target-dir", "target", *what],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    messages = map(json.loads, out.splitlines())
    return Path(next(message["executable"] for message in messages if message.get("executable")))
