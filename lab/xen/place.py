"""Where the lab is: one folder, which VMIOSTAT_XEN_LAB names; a lab in another folder runs beside it."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Place:
    """The lab's folder and what is where in it."""

    folder: Path

    @classmethod
    def chosen(cls) -> "Place":
        """The folder that VMIOSTAT_XEN_LAB names, else /tmp/vmiostat-xen."""
        return cls(Path(os.environ.get("VMIOSTAT_XEN_LAB") or "/tmp/vmiostat-xen").absolute())

    @property
    def images(self) -> Path:
        """What takes minutes to make, and so is kept; a folder for each recipe."""
        return self.folder / "images"

    @property
    def python(self) -> Path:
        """Python packages for dom0."""
        return self.folder / "python"

    @property
    def console(self) -> Path:
        """What Xen, dom0's kernel and its first process have said since the start."""
        return self.folder / "console"

    @property
    def requests(self) -> Path:
        """The socket at which dom0 is told what to do."""
        return self.folder / "dom0.socket"

    @property
    def monitor(self) -> Path:
        """The socket of QEMU's monitor (QMP)."""
        return self.folder / "monitor.socket"

    @property
    def pid(self) -> Path:
        """The pid file of QEMU."""
        return self.folder / "qemu.pid"
