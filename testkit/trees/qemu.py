"""A made machine whose QEMUs are processes in a made /proc."""

from testkit.trees.processes import ProcessTree
from vmiostat import Host

KVM = (
    "/usr/bin/kvm -id {number} -name {name} -drive file=/images/{name}.qcow2,if=none,id=drive-virtio0 "
    "-device virtio-blk-pci,drive=drive-virtio0,id=virtio0 "
)
QMP = "-chardev socket,id=qmp,path=/run/{name}.qmp,server=on,wait=off -mon chardev=qmp,mode=control"
ON_SDB = "-drive file=/dev/sdb,if=none,id=drive-scsi0 -device scsi-hd,drive=drive-scsi0,id=scsi0 "


class QemuTree(ProcessTree):
    """Each QEMU has a disk in a qcow2 image, virtio0; with the option ON_SDB also the disk scsi0 on /dev/sdb."""

    def vm(self, number: int, name: str, options: str = QMP) -> None:
        self.process(number, (KVM + options).format(number=number, name=name).split(), {9: "/dev/sdb"})

    def sdb(self) -> None:
        """Adds /dev/sdb, with 7 reads."""
        self.write("dev/sdb", "")
        self.disk("sdb", "8:16")
        self.write("proc/diskstats", "   8      16 sdb 7 0 8 0 0 0 0 0 0 0 0\n")

    @property
    def host(self) -> Host:
        return Host(self.root)
