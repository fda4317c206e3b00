"""A machine: one QEMU that translates, without KVM and without any network, and with all kinds of disks."""

from lab import qemu_process
from lab.command import run
from lab.kernels import initial_files
from lab.kernels.images import Images
from lab.kernels.place import PORTS, MachinePlace, Place

PROGRAM = "qemu-system-x86_64"
# With a second processor each would have half the speed: QEMU then has to keep atomic instructions atomic.
_PROCESSORS = ("-cpu", "max", "-smp", "1")
_MEMORY = "1G"
_KERNEL = "console=ttyS0 quiet mitigations=off nokaslr net.ifnames=0 cryptomgr.notests=1 printk.devkmsg=on"
_SCSI = "share-rw=on,serial=scsi,wwn=0x5000c500a1b2c3d4"
DISKS = ("virtio", "scsi", "nvme", "nvme_shared")
DISK_SIZE = "64M"


def start(place: Place, machine: MachinePlace, images: Images) -> None:
    """Boots it, with empty disks. Raises LabError."""
    initial_files.write(machine.initial_files, place, images)
    for name in DISKS:
        machine.disk(name).unlink(missing_ok=True)
        run("truncate", "-s", DISK_SIZE, machine.disk(name))
    machine.console.unlink(missing_ok=True)
    run(
        PROGRAM,
        *("-name", machine.folder.name, "-machine", "q35,usb=off,vmport=off", "-accel", "tcg"),
        *_PROCESSORS,
        *("-m", _MEMORY, "-nodefaults", "-nic", "none", "-display", "none"),
        *("-kernel", images.kernel, "-append", _KERNEL, "-initrd", machine.initial_files),
        *("-serial", f"file:{machine.console}"),
        *_root(),
        *_ports(machine),
        *_disks(machine),
        *("-device", "i6300esb"),
        *("-pidfile", machine.pid, "-daemonize"),
    )


def _root() -> list[str]:
    shared = "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap"
    return ["-fsdev", shared, "-device", "virtio-9p-pci,fsdev=root,mount_tag=host"]


def _ports(machine: MachinePlace) -> list[str]:
    words = ["-device", "virtio-serial-pci"]
    for number in range(PORTS):
        words += ["-chardev", f"socket,id=port{number},path={machine.port(number)},server=on,wait=off"]
        words += ["-device", f"virtserialport,chardev=port{number}"]
    return words


def _disks(machine: MachinePlace) -> list[str]:
    """A virtio disk; a SCSI disk on two paths; an NVMe disk, and another one on two controllers of a subsystem."""
    drives = {name: name for name in DISKS} | {"scsi_again": "scsi"}
    words = []
    for drive, name in drives.items():
        options = "if=none,format=raw,cache=unsafe,file.locking=off"
        words += ["-drive", f"id={drive},file={machine.disk(name)},{options}"]
    devices = [
        "virtio-blk-pci,drive=virtio,serial=virtio",
        *("virtio-scsi-pci,id=path0", "virtio-scsi-pci,id=path1"),
        f"scsi-hd,bus=path0.0,drive=scsi,{_SCSI}",
        f"scsi-hd,bus=path1.0,drive=scsi_again,{_SCSI}",
        "nvme,serial=nvme,drive=nvme",
        "nvme-subsys,id=subsystem,nqn=nvme-shared",
        *(f"nvme,id=controller{number},serial=nvme-shared,subsys=subsystem" for number in range(2)),
        "nvme-ns,drive=nvme_shared,bus=controller0,shared=on",
    ]
    for device in devices:
        words += ["-device", device]
    return words


def pid(machine: MachinePlace) -> int | None:
    """QEMU's pid, None when it does not run."""
    return qemu_process.pid(machine.pid, f"file:{machine.console}")


def stop(machine: MachinePlace) -> None:
    """Ends QEMU: nothing that the machine has is kept. Raises LabError."""
    qemu_process.stop(machine.pid, f"file:{machine.console}")
