"""Runs programs in dom0, over a serial port of QEMU's; dom0_files/init.sh is the other end. One at a time."""

import io
import re
import secrets
import socket
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

from lab.command import LabError
from lab.xen.place import Place


def run(place: Place, command: str, *, sent: bytes = b"", within: float = 600) -> str:
    """Runs a shell command of one line in dom0; what it printed. Raises LabError, also when it fails."""
    said: list[str] = []
    status = follow(place, command, said.append, sent=sent, within=within)
    if status != 0:
        raise LabError(f"dom0: {command!r} failed ({status}): {''.join(said).strip()[-2000:]}")
    return "".join(said)


def follow(
    place: Place,
    command: str,
    tell: Callable[[str], object] = sys.stdout.write,
    *,
    sent: bytes = b"",
    within: float,
) -> int:
    """Runs it with `sent` as its input, and tells each line that it prints as it does; its exit status.

    Who comes meanwhile waits. Raises LabError.
    """
    word = secrets.token_hex(8)
    end = re.compile(f"(.*){word} ([0-9]+)\n")
    until = time.monotonic() + within
    with socket.socket(socket.AF_UNIX) as port:
        try:
            port.connect(str(place.requests))
            port.settimeout(within)
            port.sendall(f"{word} {len(sent)} {command}\n".encode() + sent)
            with port.makefile(encoding="utf-8", errors="replace", newline="\n") as lines:
                while (line := lines.readline()) and not line.endswith(f"{word}\n"):
                    continue  # what somebody did not stay to hear
                while line := lines.readline():
                    if found := end.fullmatch(line):
                        tell(found[1])
                        return int(found[2])
                    tell(line)
                    port.settimeout(max(0.001, until - time.monotonic()))
        except TimeoutError:
            raise LabError(f"dom0 has not ended {command!r} within {within} s") from None
        except OSError as error:
            raise LabError(f"dom0 cannot be told anything at {place.requests}: {error}") from None
    raise LabError(f"QEMU has ended; the last of its console:\n{last_words(place)}")


def copy_in(place: Place, what: Path, to: str) -> None:
    """Copies a file or a folder into a folder of dom0, in place of what is there. Raises LabError."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as members:
        members.add(what, what.name, filter=lambda one: None if one.name.endswith("__pycache__") else one)
    # dom0's clock is behind: what is copied is from its future.
    unpack = f"tar -x -m --no-same-owner -C {to} -f -"
    run(place, f"mkdir -p {to} && rm -rf {to}/{what.name} && {unpack}", sent=archive.getvalue())


def last_words(place: Place) -> str:
    """The end of what was said on the machine's console."""
    return place.console.read_text(errors="replace")[-3000:].replace("\r", "")
