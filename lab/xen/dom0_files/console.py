"""Runs a shell command in a guest, over its console; guest_files/init.sh is the other end: console.py GUEST COMMAND.

It is copied into dom0, and needs nothing but Python there.
"""

import os
import re
import secrets
import select
import subprocess
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager


class ConsoleError(Exception):
    """The guest did not do it; one sentence."""


def run(guest: str, command: str, *, within: float = 60) -> str:
    """Runs a shell command of one line; what it printed. Raises ConsoleError, also when it fails."""
    word = secrets.token_hex(8)
    end = re.compile(rb"%s (\d+)\r?\n" % word.encode())
    said, until = b"", time.monotonic() + within
    with _opened(guest, until) as terminal:
        # What was said before is somebody else's answer.
        termios.tcflush(terminal, termios.TCIFLUSH)
        os.write(terminal, f"{word} {command}\n".encode())
        while (found := end.search(said)) is None:
            if not select.select([terminal], [], [], max(0, until - time.monotonic()))[0]:
                raise ConsoleError(f"{guest} does not answer within {within} s: {command}; it said {said[-500:]!r}")
            said += os.read(terminal, 65536)
    text = said[: found.start()].decode(errors="replace").replace("\r", "")
    if found[1] != b"0":
        raise ConsoleError(f"{guest}: {command!r} failed ({int(found[1])}): {text.strip()}")
    return text


def wait_until_ready(guest: str, *, within: float = 180) -> None:
    """Waits until a guest that boots takes commands: what is sent before is lost. Raises ConsoleError."""
    until = time.monotonic() + within
    while True:
        try:
            run(guest, "true", within=2)
            return
        except ConsoleError:
            if time.monotonic() > until:
                raise


@contextmanager
def _opened(guest: str, until: float) -> Iterator[int]:
    """The terminal that xenconsoled made for a guest; it comes a little later than the guest."""
    while not (path := _asked("xenstore-read", f"/local/domain/{_asked('xl', 'domid', guest)}/console/tty")):
        if time.monotonic() > until:
            raise ConsoleError(f"{guest} has no console")
        time.sleep(0.2)
    terminal = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        tty.setraw(terminal, termios.TCSANOW)
        yield terminal
    finally:
        os.close(terminal)


def _asked(*words: str) -> str:
    """What a program prints; nothing when it fails."""
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    try:
        wait_until_ready(sys.argv[1])
        print(run(sys.argv[1], " ".join(sys.argv[2:])), end="")
    except ConsoleError as error:
        sys.exit(str(error))
