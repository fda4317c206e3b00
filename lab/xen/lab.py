"""The lab as a whole: brought up, told about, taken down."""

import hashlib
import os
import shutil
from pathlib import Path

from lab import packages as debian
from lab.command import LabError, run
from lab.one_at_a_time import locked
from lab.xen import dom0, images, initial_files, machine, packages
from lab.xen.images import Images
from lab.xen.place import Place

GUESTS = ("vm1", "vm2", "lv1")
_BOOT = 1800
"""Seconds after which something is wrong. It takes some 100, and several times that where others compute, too."""
_WAIT = (
    "until [ -e /run/lab/up ] || [ -e /run/lab/failed ]; do sleep 0.5; done; cat /run/lab/failed 2>/dev/null || true"
)


def up(place: Place) -> None:
    """Brings it up, unless it is: from where it was up for the first time, if nothing has changed since.

    Raises LabError.
    """
    if os.geteuid() != 0:
        raise LabError("needs root: makes the disk of another Debian")
    with locked(place.folder):
        if is_up(place):
            return
        _end(place)
        debian.install(packages.HERE)
        made = images.make(place)
        first = place.folder / "initramfs.gz"
        initial_files.write(first, made, place.folder)
        saved = made.folder / f"{_recipe(first)}.qcow2"
        if not saved.exists():
            _boot_and_save(place, made, first, saved)
        shutil.copyfile(saved, _disk(place))
        machine.start(place, made, _disk(place))
        dom0.run(place, "true")
        _up(place).touch()


def _boot_and_save(place: Place, made: Images, first: Path, saved: Path) -> None:
    for old in made.folder.glob("*.qcow2"):
        old.unlink()
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", made.disk, "-F", "raw", _disk(place))
    machine.start(place, made, _disk(place), initial_files=first)
    if failed := dom0.run(place, _WAIT, within=_BOOT):
        raise LabError(f"dom0 failed at: {failed.strip()}\n{dom0.last_words(place)}")
    machine.save(place)
    machine.stop(place)
    shutil.move(_disk(place), saved)


def down(place: Place, *, everything: bool = False) -> None:
    """Ends the machine; of the folder only what took long to make stays. Raises LabError."""
    if not place.folder.exists():
        return
    with locked(place.folder):
        _end(place)
        if everything:
            shutil.rmtree(place.folder)


def is_up(place: Place) -> bool:
    """Whether the machine runs and all guests have started."""
    return machine.pid(place) is not None and _up(place).exists()


def status(place: Place) -> str:
    """What runs; a few lines."""
    if not is_up(place):
        return f"{place.folder}: down"
    return f"{place.folder}: up, QEMU is process {machine.pid(place)}\n{dom0.run(place, 'xl list')}".rstrip()


def _end(place: Place) -> None:
    machine.stop(place)
    _up(place).unlink(missing_ok=True)
    _disk(place).unlink(missing_ok=True)


def _up(place: Place) -> Path:
    return place.folder / "up"


def _disk(place: Place) -> Path:
    """dom0's disk and, once it is up, the machine's state: this run's."""
    return place.folder / "run.qcow2"


def _recipe(first: Path) -> str:
    """Of a machine that is up, on top of its images' recipe: what it did at first, on what, and who translates it."""
    parts = (first.read_bytes(), Path(machine.__file__).read_bytes(), run(machine.PROGRAM, "--version").encode())
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]
