"""The Debian packages that the lab is made of."""

from pathlib import Path

from lab import packages
from lab.command import run

PACKAGES = (
    "libvirt-daemon",  # without libvirt-daemon-system there are no users, units and network of Debian's to get past
    "libvirt-daemon-driver-qemu",
    "libvirt-clients",
    "qemu-system-x86",
    "qemu-utils",
    "busybox-static",
    "iproute2",
    "kmod",
)

_DRIVER = "libvirt-daemon-driver-qemu"


def install() -> None:
    """Installs what is missing. Raises LabError."""
    packages.install(PACKAGES)
    # A machine's image may have left out files of packages that it has: libvirtd then knows no driver for qemu:///.
    if not all(Path(file).exists() for file in run("dpkg", "-L", _DRIVER).splitlines() if file.endswith(".so")):
        packages.install_again(_DRIVER)
