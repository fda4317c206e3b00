"""Runs a program, and says what it said when it fails."""

import os
import subprocess
from collections.abc import Iterable


class LabError(Exception):
    """What the lab could not do; one sentence."""


def run(*words: object, typed: str | None = None) -> str:
    """Runs a program with `typed` as its input; what it printed. Raises LabError."""
    arguments = [str(word) for word in words]
    environment = os.environ | {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(arguments, input=typed, capture_output=True, text=True, check=False, env=environment)
    except FileNotFoundError:
        raise LabError(f"needs the program {arguments[0]!r}") from None
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise LabError(f"{' '.join(arguments)} failed ({done.returncode}): {said}")
    return done.stdout


def ip(namespace: str, lines: Iterable[str]) -> None:
    """Runs lines of `ip -batch` in a network namespace. Raises LabError."""
    run("ip", "-n", namespace, "-batch", "-", typed="\n".join(lines) + "\n")
