"""What a connection to libvirt found, and whether it wakes its listeners."""

import select
from pathlib import Path

from vmiostat.discovery.libvirt.events import Listener
from vmiostat.discovery.provider import Found

URI = "qemu:///system"


def names(found: Found) -> list[str]:
    return [domain.name for domain in found.domains]


def problems(found: Found) -> list[str]:
    return [str(problem) for problem in found.problems]


def woken(listener: Listener, seconds: float = 10.0) -> bool:
    """Whether there is a reason to scan in that time."""
    readable, _, _ = select.select([listener], [], [], seconds)
    return bool(readable) and listener.drain()


def run(root: Path, pid: int, command: str) -> None:
    folder = root / f"proc/{pid}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "stat").write_text(f"{pid} (qemu) S {' '.join('0' * 18)} 77 {' '.join('0' * 30)}\n")
    (folder / "cmdline").write_bytes(command.replace(" ", "\0").encode())
