"""A made machine with libvirt's status files, written and removed as by libvirt."""

from collections.abc import Sequence
from pathlib import Path


class LibvirtTree:
    """Below `root`: run/libvirt/qemu/NAME.xml, and a proc/net/dev with the host's interfaces."""

    def __init__(self, root: Path, driver: str = "qemu") -> None:
        self.root = root
        self.folder = root / "run/libvirt" / driver
        (root / "proc/net").mkdir(parents=True)

    def start(
        self,
        name: str,
        nics: Sequence[str] = (),
        *,
        number: int = 1,
        pid: int | None = None,
        disks: Sequence[str] = (),
        kind: str = "bridge",
    ) -> None:
        """Writes a domain's file as libvirt does at a start and at each change: a new one, then renamed."""
        devices = "".join([*disks, *(f"<interface type='{kind}'><target dev='{nic}'/></interface>" for nic in nics)])
        self.folder.mkdir(parents=True, exist_ok=True)
        pid = 3999 + number if pid is None else pid
        new = self.folder / f"{name}.xml.new"
        new.write_text(
            f"<domstatus state='running' pid='{pid}'><domain type='kvm' id='{number}'>"
            f"<name>{name}</name><devices>{devices}</devices></domain></domstatus>\n"
        )
        new.rename(self.folder / f"{name}.xml")

    def process(self, pid: int, started: int) -> None:
        """A process that can be a domain's VMM."""
        folder = self.root / f"proc/{pid}"
        folder.mkdir(exist_ok=True)
        (folder / "stat").write_text(f"{pid} (qemu) S {'0 ' * 18}{started}\n")
        (folder / "cmdline").write_text("qemu\0")

    def end(self, name: str) -> None:
        (self.folder / f"{name}.xml").unlink()

    def interfaces(self, counters: dict[str, int]) -> None:
        """The host's interfaces, each with one number for all counters. Written in place, since /proc never renames."""
        lines = "".join(f"{name:>6}: {' '.join([str(number)] * 16)}\n" for name, number in counters.items())
        (self.root / "proc/net/dev").write_text("Inter-|\n face |\n" + lines)
