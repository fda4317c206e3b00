"""Debian's packages that a lab needs on this machine; those that are missing are installed, and start nothing."""

import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.command import LabError, run

_QEMU = ("qemu-system-x86", "qemu-utils")
_POLICY = Path("/usr/sbin/policy-rc.d")


def install(packages: Iterable[str]) -> None:
    """Installs what is missing. Raises LabError."""
    missing = [package for package in packages if not _installed(package)]
    if missing:
        run("apt-get", "update", "-q")
        _apt_install(*_of_one_version(missing))


def install_again(package: str) -> None:
    """Brings a package's files back. Raises LabError."""
    _apt_install("--reinstall", package)


def unpack(package: str, folder: Path, *apt_options: str) -> None:
    """Unpacks a package that apt knows into a folder, and runs nothing of it. Raises LabError."""
    folder.mkdir(parents=True, exist_ok=True)
    # apt-get writes into the folder that it runs in.
    run("sh", "-c", 'cd "$1" && shift && apt-get "$@"', "sh", folder, *apt_options, "download", "-q", package)
    archive = only(folder, "*.deb")
    run("dpkg", "--extract", archive, folder)
    archive.unlink()


def only(folder: Path, pattern: str) -> Path:
    """The one file of a folder that has such a name. Raises LabError."""
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise LabError(f"{folder} should hold one {pattern}, and holds {len(found)}")
    return found[0]


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
