"""The machine that Xen runs on: one QEMU that translates, without KVM and without any network."""

import json
import socket
from pathlib import Path
from typing import TextIO

from lab import qemu_process
from lab.command import LabError, run
from lab.xen.images import Images
from lab.xen.place import Place

PROGRAM = "qemu-system-x86_64"
# A plain old one. What newer ones have, QEMU 7.2 does not translate well enough for Xen: it does not trap AVX when Xen
# has set CR0.TS, so that registers of two domains get mixed up; with SMAP a guest kernel's return to user space faults;
# and a trapped RDTSCP is reported as RDTSC.
_PROCESSOR = "qemu64,-svm,+ssse3,+sse4.1,+sse4.2,+popcnt"
# Its clock counts instructions, two nanoseconds each. xl gives a hotplug script 40 seconds, which are too few by this
# machine's clock while others compute; by its own they are enough. Idle, the two keep pace.
_CLOCK = "shift=1"
_MEMORY = "2G"
_XEN = (
    "dom0_mem=1024M,max:1024M dom0_max_vcpus=1 com1=115200,8n1 console=com1 "
    "spec-ctrl=no xpti=no bootscrub=0 ucode=no"  # nothing here is worth an attack, and all of it takes time
)
_DOM0 = "console=hvc0 root=/dev/vda quiet mitigations=off net.ifnames=0"
# A paravirtual dom0's memory is not where its kernel believes: its drivers have to be told to ask, which only modern
# virtio devices do.
_VIRTIO = "disable-legacy=on,iommu_platform=on"
_SNAPSHOT = "up"


def start(place: Place, images: Images, disk: Path, *, initial_files: Path | None = None) -> None:
    """Boots it, or, without initial files, lets it go on from where `save` was. Raises LabError."""
    place.console.write_bytes(b"")
    boot = ("-kernel", images.xen, "-append", _XEN, "-initrd", f"{images.kernel} {_DOM0},{initial_files}")
    run(
        PROGRAM,
        *("-name", place.folder.name, "-machine", "pc,usb=off,vmport=off"),
        *("-accel", "tcg", "-icount", _CLOCK, "-cpu", _PROCESSOR),
        *("-m", _MEMORY, "-nodefaults", "-no-reboot", "-nic", "none", "-display", "none"),
        *("-serial", f"file:{place.console}", "-qmp", f"unix:{place.monitor},server=on,wait=off"),
        *("-drive", f"file={disk},format=qcow2,if=none,id=disk,cache=unsafe"),
        *("-device", f"virtio-blk-pci,drive=disk,{_VIRTIO}"),
        *("-chardev", f"socket,id=requests,path={place.requests},server=on,wait=off"),
        *("-device", f"virtio-serial-pci,{_VIRTIO}", "-device", "virtserialport,chardev=requests"),
        *(boot if initial_files else ("-loadvm", _SNAPSHOT)),
        *("-pidfile", place.pid, "-daemonize"),
    )


def save(place: Place) -> None:
    """Keeps all that it is at this moment in its disk's file. Raises LabError."""
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.connect(str(place.monitor))
        with monitor.makefile("rw") as lines:
            lines.readline()  # it greets first
            _ask(lines, "qmp_capabilities")
            complaint = _ask(lines, "human-monitor-command", {"command-line": f"savevm {_SNAPSHOT}"})
    if complaint:
        raise LabError(f"QEMU cannot keep the machine's state: {complaint}")


def _ask(lines: TextIO, command: str, arguments: dict[str, str] | None = None) -> object:
    """What QEMU returns; it may tell of events before. Raises LabError."""
    lines.write(json.dumps({"execute": command, "arguments": arguments or {}}) + "\n")
    lines.flush()
    for line in lines:
        answer = json.loads(line)
        if "return" in answer:
            return answer["return"]
        if "error" in answer:
            raise LabError(f"QEMU: {answer['error']['desc']}")
    raise LabError(f"QEMU has ended, and not answered {command!r}")


def pid(place: Place) -> int | None:
    """QEMU's pid, None when it does not run."""
    return qemu_process.pid(place.pid, f"file:{place.console}")


def stop(place: Place) -> None:
    """Ends QEMU: nothing that it has is kept, so dom0 needs no shutdown. Raises LabError."""
    qemu_process.stop(place.pid, f"file:{place.console}")
