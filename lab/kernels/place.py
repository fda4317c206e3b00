"""Where the lab is: one folder, which VMIOSTAT_KERNELS_LAB names; a lab in another folder runs at the same time."""

import os
from dataclasses import dataclass
from pathlib import Path

PORTS = 4
"""How many commands can run in a machine at a time."""


@dataclass(frozen=True, slots=True)
class Place:
    """The lab's folder, and the paths in it."""

    folder: Path

    @classmethod
    def chosen(cls) -> "Place":
        """The folder that VMIOSTAT_KERNELS_LAB names, else /tmp/vmiostat-kernels."""
        return cls(Path(os.environ.get("VMIOSTAT_KERNELS_LAB") or "/tmp/vmiostat-kernels").absolute())

    @property
    def images(self) -> Path:
        """The unpacked kernels, which are kept."""
        return self.folder / "images"

    @property
    def wheel(self) -> Path:
        """The installed wheel that is tested."""
        return self.folder / "wheel"

    def machine(self, kernel: str) -> "MachinePlace":
        return MachinePlace(kernel, self.folder / kernel)


@dataclass(frozen=True, slots=True)
class MachinePlace:
    """One machine's folder."""

    kernel: str
    """Its name in the lab."""
    folder: Path

    @property
    def console(self) -> Path:
        """The output of the kernel and its first process since QEMU was started."""
        return self.folder / "console"

    @property
    def initial_files(self) -> Path:
        return self.folder / "initramfs.gz"

    @property
    def pid(self) -> Path:
        """The pid file of QEMU."""
        return self.folder / "qemu.pid"

    @property
    def boot(self) -> Path:
        """The boot id that the machine had when it came up. If it has another one, it has rebooted."""
        return self.folder / "boot"

    def port(self, number: int) -> Path:
        """A socket at which the machine takes commands, one at a time."""
        return self.folder / f"port{number}"

    def disk(self, name: str) -> Path:
        return self.folder / f"{name}.raw"
