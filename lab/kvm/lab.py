"""The lab as a whole: brought up, told about, taken down."""

import os
import shutil
import time

from lab.command import LabError
from lab.kvm import control_groups, daemons, domains, guest_image, namespaces, network, packages
from lab.kvm.place import Place
from lab.one_at_a_time import locked

GUESTS = 3


def up(place: Place, count: int = GUESTS) -> None:
    """Brings the lab up with so many guests; what is there already stays. Raises LabError."""
    if os.geteuid() != 0:
        raise LabError("needs root: makes network namespaces, loop devices and virtual machines")
    if not network.has_tun():
        raise LabError("needs /dev/net/tun")
    with locked(place.folder):
        packages.install()
        guest_image.make(place)
        for folder in (place.run, place.images):
            folder.mkdir(exist_ok=True)
        network.make(place)
        namespaces.make(place)
        daemons.start(place)
        domains.make(place, count)


def down(place: Place, *, everything: bool = False) -> None:
    """Ends what the lab started, and removes what it made; of its folder only the cache stays. Raises LabError."""
    if not place.folder.exists():
        return
    with locked(place.folder):
        daemons.stop(place)
        domains.end(place)
        _wait_until_nobody_is_left(place)
        namespaces.remove(place)
        network.remove(place)
        control_groups.remove(place)
        for path in place.folder.iterdir():
            if path == place.cache and not everything:
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    if everything:
        place.folder.rmdir()


def is_up(place: Place) -> bool:
    """Whether libvirtd runs there."""
    return place.namespace.exists() and daemons.pid(place) is not None


def status(place: Place) -> str:
    """What runs; a few lines."""
    if not is_up(place):
        return f"{place.folder}: down"
    guests = domains.pids(place)
    return "\n".join(
        [
            f"{place.folder}: up, {place.uri}",
            f"libvirtd is process {daemons.pid(place)}; {len(network.links(place))} interfaces in {place.namespace}",
            *(f"{name} is process {guests[name]}" for name in sorted(guests, key=lambda name: (len(name), name))),
        ]
    )


def _wait_until_nobody_is_left(place: Place) -> None:
    """Control groups can be removed when process 1 has collected the dead; some are slow to."""
    until = time.monotonic() + 30
    while left := control_groups.processes(place):
        if time.monotonic() > until:
            raise LabError(f"processes that the lab did not start are in its control group: {sorted(left)}")
        time.sleep(0.05)
