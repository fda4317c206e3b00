"""The lab as a whole: machines brought up, told about, taken down."""

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
"""Seconds after which something is wrong. It takes some ten, and several times that where others compute, too."""


def prepare(place: Place, kernel: str) -> images.Images:
    """Makes what a kernel boots from, unless it is there. Raises LabError."""
    if os.geteuid() != 0:
        raise LabError("needs root: shares all of this machine's files with the lab's")
    with locked(place.folder):
        debian.install(packages.HERE)
        place.wheel.mkdir(exist_ok=True)
        return images.make(place, kernel)


def up(place: Place, kernel: str, *, again: bool = False) -> float:
    """Brings a machine up, unless it is; `again` boots it in any case. The seconds that it took. Raises LabError."""
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
    """What a machine is; one line."""
    here = place.machine(kernel)
    running = machine.pid(here)
    if running is None:
        return f"{kernel}: down"
    try:
        release = commands.run(here, commands.Command(["uname", "-r"])).out.decode().strip()
    except LabError as error:
        return f"{kernel}: QEMU is process {running}; {str(error).splitlines()[0]}"
    return f"{kernel}: up, Linux {release}, QEMU is process {running}, console in {here.console}"
