"""Runs programs in dom0: a file in the shared folder is a request, dom0_files/init.sh sees to it."""

import sys
import tarfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.lab.command import LabError
from tests.lab.xen import machine
from tests.lab.xen.place import Place


def run(place: Place, script: str, *, within: float = 120) -> str:
    """Runs a shell script in dom0; what it printed. Raises LabError, also when it fails."""
    said: list[str] = []
    status = follow(place, script, said.append, within=within)
    if status != 0:
        raise LabError(f"dom0: {script!r} failed ({status}): {''.join(said).strip()[-2000:]}")
    return "".join(said)


def follow(place: Place, script: str, tell: Callable[[str], object] = sys.stdout.write, *, within: float) -> int:
    """Runs a shell script in dom0, and tells what it prints as it does; its exit status. Raises LabError."""
    request = place.shared / str(time.monotonic_ns())
    unfinished = request.with_suffix(".new")
    unfinished.write_text(script + "\n")
    unfinished.rename(request.with_suffix(".do"))
    said, status = request.with_suffix(".said"), request.with_suffix(".status")
    until, told = time.monotonic() + within, 0
    while True:
        ended = status.exists()  # asked first: what was said before the end is there then
        with suppress(FileNotFoundError), said.open("rb") as file:
            file.seek(told)
            new = file.read()
            told += len(new)
            tell(new.decode(errors="replace"))
        if ended:
            break
        if machine.pid(place) is None:
            raise LabError(f"QEMU has ended; the last of dom0's console:\n{last_words(place)}")
        if time.monotonic() > until:
            raise LabError(f"dom0 has not ended {script!r} within {within} s")
        time.sleep(0.1)
    code = int(status.read_text())
    for suffix in (".doing", ".said", ".status"):
        request.with_suffix(suffix).unlink()
    return code


def copy_in(place: Place, what: Path, to: str) -> None:
    """Copies a file or a folder into a folder of dom0, in place of what is there. Raises LabError."""
    brought = place.shared / f"{time.monotonic_ns()}.tar"
    with tarfile.open(brought, "w") as archive:  # one file: each of many would be asked for over the shared folder
        archive.add(what, what.name, filter=lambda one: None if one.name.endswith("__pycache__") else one)
    run(place, f"mkdir -p {to} && rm -rf {to}/{what.name} && tar -x --no-same-owner -C {to} -f /shared/{brought.name}")
    brought.unlink()


def last_words(place: Place) -> str:
    """The end of what was said on the machine's console."""
    return place.console.read_text(errors="replace")[-3000:].replace("\r", "")
