"""The lab as a whole: brought up, told about, taken down."""

import os
import shutil
import time
from pathlib import Path

from tests.lab import packages as debian
from tests.lab.command import LabError
from tests.lab.one_at_a_time import locked
from tests.lab.xen import dom0, images, initial_files, machine, packages
from tests.lab.xen.place import Place

GUESTS = ("vm1", "vm2", "lv1")
_BOOT = 1800
"""Seconds after which something is wrong. It takes some 100, and several times that where others compute, too."""


def up(place: Place) -> None:
    """Brings it up, unless it is. Raises LabError."""
    if os.geteuid() != 0:
        raise LabError("needs root: makes the disk of another Debian")
    with locked(place.folder):
        if is_up(place):
            return
        _end(place)
        debian.install(packages.HERE)
        made = images.make(place)
        place.shared.mkdir()
        first = place.folder / "initramfs.gz"
        initial_files.write(first, made, place.folder)
        machine.start(place, made, first)
        _wait(place)


def down(place: Place, *, everything: bool = False) -> None:
    """Ends the machine; of the folder only what took long to make stays. Raises LabError."""
    if not place.folder.exists():
        return
    with locked(place.folder):
        _end(place)
        if everything:
            shutil.rmtree(place.folder)


def _end(place: Place) -> None:
    machine.stop(place)
    shutil.rmtree(place.shared, ignore_errors=True)


def is_up(place: Place) -> bool:
    """Whether the machine runs and all guests have started."""
    return machine.pid(place) is not None and _up(place).exists()


def status(place: Place) -> str:
    """What runs; a few lines."""
    if not is_up(place):
        return f"{place.folder}: down"
    return f"{place.folder}: up, QEMU is process {machine.pid(place)}\n{dom0.run(place, 'xl list')}".rstrip()


def _up(place: Place) -> Path:
    return place.shared / "up"


def _wait(place: Place) -> None:
    until = time.monotonic() + _BOOT
    failed = place.shared / "failed"
    while not _up(place).exists():
        if machine.pid(place) is None:
            raise LabError(f"QEMU has ended; the last of its console:\n{dom0.last_words(place)}")
        if failed.exists():
            raise LabError(f"dom0 failed at: {failed.read_text().strip()}\n{dom0.last_words(place)}")
        if time.monotonic() > until:
            raise LabError(f"dom0 is not up after {_BOOT} s; the last of its console:\n{dom0.last_words(place)}")
        time.sleep(0.2)
