"""Where the lab is: one folder, and a network namespace and a control group of the folder's name.

So a second lab in another folder (VMIOSTAT_KVM_LAB) runs beside the first one, and neither touches the other.
"""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Place:
    """The lab's folder and what is where in it."""

    folder: Path

    @classmethod
    def chosen(cls) -> "Place":
        """The folder that VMIOSTAT_KVM_LAB names, else /tmp/vmiostat-kvm."""
        return cls(Path(os.environ.get("VMIOSTAT_KVM_LAB") or "/tmp/vmiostat-kvm").absolute())

    @property
    def name(self) -> str:
        """What the network namespace and the control group are called."""
        return self.folder.name

    @property
    def namespace(self) -> Path:
        """The network namespace, as `ip netns` keeps it."""
        return Path("/run/netns") / self.name

    @property
    def run(self) -> Path:
        """What the lab's processes see as /run: libvirt's status files are in libvirt/qemu below it."""
        return self.folder / "run"

    @property
    def pins(self) -> Path:
        """Keeps the mount and the control group namespace, which no process needs to hold then."""
        return self.folder / "pins"

    @property
    def images(self) -> Path:
        return self.folder / "images"

    @property
    def cache(self) -> Path:
        """The guest's kernel, and what libvirtd learned of QEMU: what takes the longest to make, so `down` keeps it."""
        return self.folder / "cache"

    @property
    def uri(self) -> str:
        return f"qemu:///system?socket={self.run}/libvirt/libvirt-sock"

    @property
    def inside(self) -> list[str]:
        """What a command line begins with to run where libvirtd does."""
        pins = [f"--mount={self.pins}/mnt", f"--cgroup={self.pins}/cgroup"]
        return ["nsenter", f"--net={self.namespace}", *pins, "--"]

    def console(self, guest: str) -> Path:
        """The socket of a guest's serial line."""
        return self.run / f"{guest}.console"

    def monitor(self, guest: str) -> Path:
        """The socket of a guest's second QMP monitor; libvirt holds the first one."""
        return self.run / f"{guest}.qmp"
