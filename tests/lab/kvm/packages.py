"""The Debian packages that the lab is made of; those that are missing are installed, and start nothing."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab.kvm.command import run

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

_QEMU = ("qemu-system-x86", "qemu-utils")
_DRIVER = "libvirt-daemon-driver-qemu"
_POLICY = Path("/usr/sbin/policy-rc.d")


def install() -> None:
    """Installs what is missing. Raises LabError."""
    missing = [package for package in PACKAGES if not _installed(package)]
    if missing:
        run("apt-get", "update", "-q")
        _apt_install(*_of_one_version(missing))
    # A machine's image may have left out files of packages that it has: libvirtd then knows no driver for qemu:///.
    if not all(Path(file).exists() for file in run("dpkg", "-L", _DRIVER).splitlines() if file.endswith(".so")):
        _apt_install("--reinstall", _DRIVER)


def _installed(package: str) -> bool:
    asked = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Status}", package], capture_output=True, text=True, check=False
    )
    return asked.stdout == "install ok installed"


def _of_one_version(missing: list[str]) -> list[str]:
    """QEMU's two packages refuse each other unless they are of one version: a newer one may be there from backports."""
    if not set(missing) & set(_QEMU):
        return missing
    policy = run("apt-cache", "policy", _QEMU[0])
    candidate = next(line.split()[1] for line in policy.splitlines() if "Candidate:" in line)
    others = [package for package in missing if package not in _QEMU]
    return others + [f"{package}={candidate}" for package in _QEMU]


def _apt_install(*what: str) -> None:
    with _nothing_starts():
        run(
            "apt-get",
            *("install", "-q", "-y", "--no-install-recommends", "--allow-downgrades"),
            *("-o", "DPkg::Lock::Timeout=300"),  # another installation may be under way
            *what,
        )


@contextmanager
def _nothing_starts() -> Iterator[None]:
    """Debian's packages ask policy-rc.d whether they may start their daemons; 101 forbids it."""
    if _POLICY.exists():  # the machine has rules of its own
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()
