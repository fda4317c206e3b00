"""Loop devices on the lab's own images: new ones, never one that the machine already has."""

import errno
import fcntl
import os
from pathlib import Path

from lab.command import run

_ADD, _REMOVE = 0x4C80, 0x4C81  # LOOP_CTL_ADD, LOOP_CTL_REMOVE


def attach(image: Path, size: int) -> str:
    """The loop device on an image, made if there is none; the image is made, too."""
    for device, backing in _attached():
        if backing == str(image):
            return device
    if not image.exists():
        with image.open("wb") as file:
            file.truncate(size)
    device = f"/dev/loop{_control(_ADD, -1)}"
    run("losetup", device, image)
    return device


def detach_below(folder: Path, beginning: str = "") -> None:
    """Detaches and removes all devices on images in this folder whose names begin so."""
    for device, backing in _attached():
        if backing.startswith(f"{folder}/{beginning}"):
            run("losetup", "--detach", device)
            remove(int(device.removeprefix("/dev/loop")))


def remove(number: int) -> bool:
    """Removes an empty loop device; False when somebody looks at it: it then stays, empty."""
    try:
        _control(_REMOVE, number)
    except OSError as error:
        return error.errno == errno.ENODEV
    return True


def _attached() -> list[tuple[str, str]]:
    """Device and backing file, of all on this machine."""
    found = []
    for file in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            found.append((f"/dev/{file.parts[3]}", file.read_text().strip().removesuffix(" (deleted)")))
        except OSError:  # detached meanwhile
            continue
    return found


def _control(request: int, number: int) -> int:
    control = os.open("/dev/loop-control", os.O_RDWR)
    try:
        return fcntl.ioctl(control, request, number)
    finally:
        os.close(control)
