"""A QEMU that no libvirt manages, with a tap and a disk of its own, as a script would start it."""

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.command import LabError, ip
from lab.kvm.network import has_link


@dataclass(frozen=True, slots=True)
class PlainQemu:
    """One that runs."""

    pid: int
    name: str
    tap: str
    disk: str
    """The host's device."""


@contextmanager
def plain_qemu(name: str, *, namespace: Path, tap: str, disk: str) -> Iterator[PlainQemu]:
    """A virtual machine without a system, which takes every packet that comes for it and drops it. Raises LabError."""
    words = [
        *("nsenter", f"--net={namespace}", "--", "qemu-system-x86_64"),
        *("-name", name, "-accel", "tcg,tb-size=4", "-m", "16", "-nodefaults", "-display", "none"),
        *("-netdev", f"tap,id=net0,ifname={tap},script=no,downscript=no"),
        # This card takes packets also while no driver has set it up; without a ROM it does not try to boot from them.
        *("-device", "ne2k_pci,netdev=net0,romfile="),
        *("-drive", f"if=none,id=disk0,file={disk},format=raw,cache=none"),
        *("-device", "virtio-blk-pci,drive=disk0"),
    ]
    qemu = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _wait_for_tap(qemu, namespace, tap)
        ip(namespace.name, [f"link set {tap} up"])
        yield PlainQemu(qemu.pid, name, tap, disk)
    finally:
        qemu.send_signal(signal.SIGKILL)
        qemu.communicate()


def _wait_for_tap(qemu: subprocess.Popen[bytes], namespace: Path, tap: str) -> None:
    until = time.monotonic() + 20
    while not has_link(namespace.name, tap):
        if qemu.poll() is not None:
            _, said = qemu.communicate()
            raise LabError(f"QEMU ended at once: {said.decode(errors='replace').strip()}")
        if time.monotonic() > until:
            raise LabError(f"QEMU makes no tap {tap}")
        time.sleep(0.05)
