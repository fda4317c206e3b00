"""Processes that count as VMMs in the machine, and do what their users like."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PYTHON = os.path.realpath(sys.executable)
SHELL = os.path.realpath("/bin/sh")
"""Starts a lot faster."""
LIST = Path("/etc/vmiostat/vmms")


@contextmanager
def listed() -> Iterator[None]:
    """The administrator lists both: a process of them is whatever machine its command line says."""
    LIST.parent.mkdir(exist_ok=True)
    LIST.write_text(f"{PYTHON}\n{SHELL}\n")
    yield
    LIST.unlink()


@contextmanager
def qemu(
    name: str, *words: str, user: int, python: str = "", files: Sequence[int] = (), folder: Path = Path("/")
) -> Iterator[int]:
    """A QEMU of this user, which may run some Python first, and has inherited these files; the value is its pid."""
    code = f"{python}\nprint('ready', flush=True)\ninput()" if python else "echo ready; read line"
    with subprocess.Popen(
        ["qemu-system-x86_64", "-ISc" if python else "-c", code, "-machine", "pc", "-name", name, *words],
        executable=PYTHON if python else SHELL,
        env={"PYTHONHOME": sys.base_prefix},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=files,
        cwd=folder,
        user=user,
        group=user,
        extra_groups=(),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        try:
            yield process.pid
        finally:
            process.kill()
