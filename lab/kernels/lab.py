"""The lab as a whole: brings machines up and down, and reports what runs."""

import os
import shutil
import time

from lab import packages as debian
from lab.command import LabError
from lab.kernels import commands, images, machine, packages
from lab.kernels.place import MachinePlace, Place
from lab.one_at_a_time import locked

KERNELS = tuple(packages.SUITES)
_BOOT = 300
"""Seconds. It takes about ten, and several times that on a busy host."""


def prepare(place: Place, kernel: str) -> images.Images:
    """Installs packages, and unpacks a kernel, unless that is done. Raises LabError."""
    if os.geteuid() != 0:
        raise LabError("needs root: the machines see all files of this one")
    with locked(place.folder):
        debian.install(packages.HERE)
        place.wheel.mkdir(exist_ok=True)
        return images.make(place, kernel)


def up(place: Place, kernel: str, *, again: bool = False) -> float:
    """Boots a machine, unless it is up; `again` boots it in any case. Returns the seconds taken. Raises LabError."""
    made = prepare(place, kernel)
    here = place.machine(kernel)
    with locked(here.folder):
        if is_up(here) and not again:
            return 0.0
        machine.stop(here)
        before = time.monotonic()
        machine.start(place, here, made)
        commands.wait_until_up(here, within=_BOOT)
        return time.monotonic() - before


def down(place: Place, kernel: str) -> None:
    """Ends a machine; its folder with its console stays. Raises LabError."""
    here = place.machine(kernel)
    if here.folder.exists():
        with locked(here.folder):
            machine.stop(here)
            here.boot.unlink(missing_ok=True)


def remove(place: Place) -> None:
    """Removes all that is kept for the next time. Raises LabError."""
    if place.folder.exists():
        with locked(place.folder):
            shutil.rmtree(place.folder)


def is_up(here: MachinePlace) -> bool:
    """Whether a machine runs, answers and has not rebooted."""
    if machine.pid(here) is None or not here.boot.exists():
        return False
    try:
        return commands.run(here, commands.Command(["true"])).status == 0
    except LabError:
        return False


def status(place: Place, kernel: str) -> str:
    """Whether a machine runs, and its kernel; one line."""
    here = place.machine(kernel)
    running = machine.pid(here)
    if running is None:
        return f"{kernel}: down"
    try:
        release = commands.run(here, commands.Command(["uname", "-r"])).out.decode().strip()
    except LabError as error:
        return f"{kernel}: QEMU is process {running}; {str(error).splitlines()[0]}"
    return f"{kernel}: up, Linux {release}, QEMU is process {running}, console in {here.console}"
