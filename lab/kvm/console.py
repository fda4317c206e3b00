"""Runs commands in a guest, over its serial line; guest_files/init.sh is the other end."""

import re
import secrets
import socket
import time

from lab.command import LabError
from lab.kvm.place import Place


def run(place: Place, guest: str, command: str, *, within: float = 60) -> str:
    """Runs a shell command of one line in a guest; what it printed. Raises LabError, also when it fails."""
    word = secrets.token_hex(8)
    said = b""
    end = re.compile(rb"%s (\d+)\n" % word.encode())
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(within)
        # Who comes second waits for the first one to hang up: QEMU takes one at a time.
        line.connect(str(place.console(guest)))
        line.sendall(f"{word} {command}\n".encode())
        while (found := end.search(said)) is None:
            try:
                received = line.recv(65536)
            except TimeoutError:
                raise LabError(f"{guest} does not answer within {within} s: {command}") from None
            if not received:
                raise LabError(f"{guest} has ended")
            said += received
    text = said[: found.start()].decode(errors="replace")
    if found[1] != b"0":
        raise LabError(f"{guest}: {command!r} failed ({int(found[1])}): {text.strip()}")
    return text


def wait_until_ready(place: Place, guest: str, *, within: float = 90) -> None:
    """Waits until a guest that boots takes commands. Raises LabError."""
    until = time.monotonic() + within
    while True:
        try:
            run(place, guest, "true", within=1)  # what is sent before it listens is lost
            return
        except LabError:
            if time.monotonic() > until:
                raise
