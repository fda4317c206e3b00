"""Runs the command as its users do, in another process."""

import subprocess
import sys
from pathlib import Path

FIXTURES = Path(__file__).parents[1] / "fixtures"
XEN = FIXTURES / "xen-4.17-real/instant-1"
COMMAND = [sys.executable, "-m", "vmiostat"]


def vmiostat(*arguments: str | Path, status: int = 0) -> str:
    """What the command prints. It must exit with `status`, and print errors if and only if that is not 0."""
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, timeout=60, check=False)
    assert done.returncode == status, done.stderr.decode()
    assert bool(done.stderr) == bool(status), done.stderr.decode()
    return (done.stderr if status else done.stdout).decode()


def started(*arguments: str | Path) -> subprocess.Popen[str]:
    """Starts the command with pipes to read from. The caller ends it."""
    pipe = subprocess.PIPE
    return subprocess.Popen([*COMMAND, *arguments], stdout=pipe, stderr=pipe, text=True)
