"""The lab as tests use it: what they ask its guests and libvirtd for, and where vmiostat finds it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.kvm import console, daemons, domain_xml, domains, lab
from lab.kvm.place import Place
from vmiostat import Domain, Host


class RunningLab:
    """A lab that is up."""

    RICH = domain_xml.RICH

    def __init__(self, place: Place) -> None:
        self.place = place
        self.uri = place.uri
        self.run = place.run
        """The run root: Host(run=lab.run) finds libvirt's status files in it."""
        self.namespace = place.namespace

    def guest(self, command: str) -> str:
        """Runs a shell command in vm1; what it printed."""
        return console.run(self.place, self.RICH, command)

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """vm1 sends, reads and writes nothing but what it is told."""
        self.guest("busy off")
        try:
            yield
        finally:
            self.guest("busy on")

    def virsh(self, *words: object) -> str:
        return domains.virsh(self.place, *words)

    def pids(self) -> dict[str, int]:
        """The QEMU of each guest."""
        return domains.pids(self.place)

    def up(self, guests: int = lab.GUESTS) -> None:
        """Has so many guests."""
        lab.up(self.place, guests)

    def libvirtd(self) -> int | None:
        """libvirtd's pid."""
        return daemons.pid(self.place)

    def stop_libvirtd(self, by: signal.Signals = signal.SIGTERM) -> None:
        daemons.stop(self.place, by)

    def start_libvirtd(self) -> None:
        daemons.start(self.place)

    @contextmanager
    def without_libvirtd(self, by: signal.Signals = signal.SIGTERM) -> Iterator[None]:
        """libvirtd is gone, and comes back; the guests go on."""
        self.stop_libvirtd(by)
        try:
            yield
        finally:
            self.start_libvirtd()

    def domains(self, host: Host) -> dict[str, Domain]:
        """What a host knows of this lab's guests, by name: other virtual machines may run here, too."""
        names = {pid: name for name, pid in self.pids().items()}
        found = {names.get(domain.process.pid): domain for domain in host.domains() if domain.process is not None}
        return {name: domain for name, domain in found.items() if name is not None}


def chosen() -> RunningLab | None:
    """The lab of this machine, None while it is down."""
    place = Place.chosen()
    return RunningLab(place) if lab.is_up(place) else None


def file_of(folder: Path, name: str, text: str) -> Path:
    """Writes a file for virsh."""
    path = folder / name
    path.write_text(text)
    return path
