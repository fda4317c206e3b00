"""The lab's guests: starts those that are missing, and ends those that are too many."""

import re
import signal
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from lab.command import LabError, run
from lab.kvm import console, domain_xml, loops, network, process
from lab.kvm.place import Place

QEMU = "qemu-system-x86_64"
_SIDE_BY_SIDE = 2
"""Starting a guest is mostly QEMU's own work: more at once than processors only wait for each other."""


def virsh(place: Place, *words: object) -> str:
    """What virsh says. Raises LabError."""
    return run("virsh", "-q", "-c", place.uri, *words)


def running(place: Place) -> list[str]:
    """The names of the lab's guests, also paused ones; whatever else a test has started is its own."""
    return [name for name in virsh(place, "list", "--name").split() if re.fullmatch("vm[0-9]+", name)]


def make(place: Place, count: int) -> None:
    """Has vm1 to vm`count` running, and nobody else. Raises LabError."""
    wanted = [f"vm{number}" for number in range(1, count + 1)]
    alive = pids(place)
    _wait_until_noticed(place, [name for name in running(place) if name not in alive])
    there = running(place)
    remove(place, [name for name in there if name not in wanted])
    missing = [name for name in wanted if name not in there]
    if domain_xml.NETWORK not in virsh(place, "net-list", "--name").split():
        file = place.folder / "network.xml"
        file.write_text(domain_xml.network_definition())
        virsh(place, "net-create", file)
    if domain_xml.RICH in missing:
        _create(place, [domain_xml.RICH])
        network.address_ethernet(place)
    tiny = [name for name in missing if name != domain_xml.RICH]
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        list(pool.map(lambda names: _create(place, names), (tiny[n::_SIDE_BY_SIDE] for n in range(_SIDE_BY_SIDE))))
    if domain_xml.RICH in missing:
        console.wait_until_ready(place, domain_xml.RICH)
        console.run(place, domain_xml.RICH, "busy on")


def _create(place: Place, names: Iterable[str]) -> None:
    """Starts guests by one virsh: half the time would else be virsh's own start."""
    lines = []
    for name in names:
        file = place.folder / f"{name}.xml"
        file.write_text(domain_xml.definition(place, name))
        lines.append(f"create {file}{'' if name == domain_xml.RICH else ' --paused'}")
    _typed(place, lines)


def remove(place: Place, names: list[str]) -> None:
    """Ends guests, and removes their disks. Raises LabError.

    Not by `virsh destroy`, which waits a second and more for each one where process 1 is slow to collect the dead.
    """
    pids_of = pids(place)
    for name in names:
        process.end(place, pids_of[name], QEMU, by=signal.SIGKILL)
    _wait_until_noticed(place, names)
    for name in names:
        _remove_images(place, name)


def _wait_until_noticed(place: Place, ended: list[str]) -> None:
    """Waits until libvirt knows that these guests have ended."""
    until = time.monotonic() + 60
    while set(ended) & set(running(place)):
        if time.monotonic() > until:
            raise LabError(f"libvirtd does not notice that guests have ended: {' '.join(ended)}")
        time.sleep(0.1)


def _typed(place: Place, lines: list[str]) -> None:
    """Commands for one virsh; it exits as the last one did, so its complaints are what counts."""
    if not lines:
        return
    words = ["virsh", "-q", "-c", place.uri]
    # Without a terminal virsh repeats what it is told, and says what went wrong beside it.
    said = run("sh", "-c", 'exec "$@" 2>&1', "sh", *words, typed="\n".join(lines) + "\n")
    wrong = [line for line in said.splitlines() if line.startswith("error:")]
    if wrong:
        raise LabError(" ".join(wrong))


def pids(place: Place) -> dict[str, int]:
    """The QEMU of each guest, by libvirt's own pid files: libvirtd need not run."""
    found = {}
    for file in (place.run / "libvirt/qemu").glob("*.pid"):
        pid = process.from_file(place, file, QEMU)  # driver.pid is libvirtd's
        if pid is not None:
            found[file.stem] = pid
    return found


def end(place: Place) -> None:
    """Ends all guests without asking libvirtd, which may have died and would wait for one that is stuck."""
    for pid in pids(place).values():
        process.end(place, pid, QEMU, by=signal.SIGKILL)
    loops.detach_below(place.images)


def _remove_images(place: Place, name: str) -> None:
    loops.detach_below(place.images, f"{name}-")
    for image in place.images.glob(f"{name}-*"):
        image.unlink()
    (place.folder / f"{name}.xml").unlink(missing_ok=True)
