"""Which disk of a VMM's command line is which open block device, in made /proc trees."""

from pathlib import Path

import pytest

from testkit.targets import targets
from testkit.trees.processes import ProcessTree
from vmiostat import Host
from vmiostat.counter_sources import BlockDevice


@pytest.fixture
def tree(tmp_path: Path) -> ProcessTree:
    made = ProcessTree(tmp_path)
    made.disk("dm-3", "253:3")
    made.disk("sdb", "8:16")
    made.write("dev/dm-3", "")
    made.write("dev/sdb", "")
    made.link("dev/vg/a", "../dm-3")
    return made


def rows(tree: ProcessTree) -> list[tuple[str, str, object]]:
    (machine,) = Host(tree.root).domains()
    return [(disk.target, disk.type, disk.counter_source) for disk in machine.disks]


def test_a_link_outside_dev_to_an_open_block_device_is_one_disk(tree: ProcessTree) -> None:
    """Ganeti's, whose name has a colon; OpenNebula's, in the root of the process."""
    words = ["kvm", "-drive", "file=/run/ganeti/instance-disks/web1:0,if=none,id=d0",
             "-drive", "file=/srv/one/disk.0,if=none,id=d1", "-drive", "file=/srv/b.qcow2,if=none,id=d2"]  # fmt: skip
    tree.link("proc/500/root/run/ganeti/instance-disks/web1:0", "/dev/vg/a")
    tree.link("proc/500/root/srv/one/disk.0", "/dev/sdb")
    tree.process(500, words, {12: "/dev/dm-3", 13: "/dev/sdb", 14: "/srv/b.qcow2"})
    assert rows(tree) == [
        ("d0", "block", BlockDevice(253, 3)), ("d1", "block", BlockDevice(8, 16)), ("d2", "file", None)
    ]  # fmt: skip


def test_a_file_name_among_the_options_of_a_drive(tree: ProcessTree) -> None:
    words = ["kvm", "-drive", "file.filename=/dev/vg/a,if=none,id=d0", "-drive", "if=virtio,file.filename=/b",
             "-drive", "driver=host_device,filename=/dev/sdb,if=virtio", "-drive", "if=none,media=cdrom,id=d3",
             "-drive", "driver=nbd,server.host=h,export=e,if=virtio"]  # fmt: skip
    tree.process(500, words, {12: "/dev/dm-3", 13: "/dev/sdb"})
    (machine,) = Host(tree.root).domains()
    assert [(disk.target, disk.source, disk.counter_source) for disk in machine.disks] == [
        ("d0", "/dev/vg/a", BlockDevice(253, 3)),
        ("virtio0", "/b", None),
        ("virtio1", "/dev/sdb", BlockDevice(8, 16)),
        ("d3", None, None),
        ("virtio2", "nbd:h/e", None),
    ]


HANDED = ["-add-fd", "fd=3,set=2", "-blockdev", "driver=host_device,node-name=a,filename=/dev/fdset/2",
          "-device", "virtio-blk-pci,drive=a,id=d0"]  # fmt: skip


def test_a_disk_that_is_handed_over_as_a_descriptor(tree: ProcessTree) -> None:
    tree.process(500, ["kvm", *HANDED], {3: "/srv/log", 12: "/dev/dm-3", 14: "/dev/dm-3"})
    assert rows(tree) == [("d0", "block", BlockDevice(253, 3))]


def test_disks_that_are_handed_over_are_not_confused(tree: ProcessTree) -> None:
    """The numbers of QEMU's copies do not show which is which, so the devices have their own names."""
    words = ["kvm", *HANDED, "-blockdev", "driver=host_device,node-name=b,filename=/dev/fdset/1",
             "-device", "virtio-blk-pci,drive=b,id=d1"]  # fmt: skip
    tree.process(500, words, {12: "/dev/dm-3", 14: "/dev/sdb"})
    assert rows(tree) == [
        ("/dev/dm-3", "block", BlockDevice(253, 3)), ("/dev/sdb", "block", BlockDevice(8, 16))
    ]  # fmt: skip
    assert "/dev/fdset/1, /dev/fdset/2" in Host(tree.root).domains()[0].disks[0].reason
    tree.link("proc/500/fd/15", "/dev/sdc")
    tree.disk("sdc", "8:32")
    tree.write("dev/sdc", "")
    tree.write("proc/500/fdinfo/15", "flags:\t02\n")
    found = Host(tree.root).domains()[0].disks
    assert targets(found) == ["d0", "d1", "/dev/dm-3", "/dev/sdb", "/dev/sdc"]
    assert "does not show which disk it is" in found[0].reason


def test_firmware_of_the_machine_is_no_disk(tree: ProcessTree) -> None:
    words = ["kvm", "-machine", "q35,pflash0=code,pflash1=vars-format",
             "-blockdev", "file,filename=/ovmf,node-name=code",
             "-blockdev", "host_device,filename=/dev/vg/a,node-name=vars",
             "-blockdev", "raw,file=vars,node-name=vars-format",
             "-blockdev", "host_device,filename=/dev/sdb,node-name=s", "-device", "scsi-hd,drive=s,id=d0"]  # fmt: skip
    tree.process(500, words, {12: "/dev/dm-3", 13: "/dev/sdb"})
    assert rows(tree) == [("d0", "block", BlockDevice(8, 16))]


@pytest.mark.parametrize(
    "words",
    [
        ["-blockdev", '{"driver":"quorum","node-name":"q","vote-threshold":1,"children":["a","b"]}',
         "-blockdev", "host_device,filename=/dev/vg/a,node-name=a",
         "-blockdev", "host_device,filename=/dev/sdb,node-name=b",
         "-device", "virtio-blk-pci,drive=q,id=d0"],
        ["-drive", "if=none,id=d0,driver=quorum,children.0.file.filename=/dev/vg/a,children.1.file.filename=/dev/sdb"],
    ],
)  # fmt: skip
def test_a_quorum_is_one_disk(words: list[str], tree: ProcessTree) -> None:
    tree.process(500, ["kvm", *words], {12: "/dev/dm-3", 13: "/dev/sdb"})
    assert rows(tree) == [("d0", "quorum", None)]
    reason = Host(tree.root).domains()[0].disks[0].reason
    assert "/dev/vg/a, /dev/sdb" in reason
    assert "only QEMU counts" in reason


def test_the_data_of_a_qcow2_in_a_device_of_its_own(tree: ProcessTree) -> None:
    words = ["kvm", "-blockdev", "qcow2,node-name=q,file.driver=host_device,file.filename=/dev/vg/a,"
             "data-file.driver=host_device,data-file.filename=/dev/sdb",
             "-device", "virtio-blk-pci,drive=q,id=d0"]  # fmt: skip
    tree.process(500, words, {12: "/dev/dm-3", 13: "/dev/sdb"})
    assert rows(tree) == [("d0", "block", BlockDevice(8, 16))]


def test_a_generic_scsi_device_stays_and_says_who_counts(tree: ProcessTree) -> None:
    words = ["kvm", "-blockdev", "host_device,filename=/dev/sg1,node-name=s", "-device", "scsi-generic,drive=s,id=d0"]
    tree.write("dev/sg1", "")
    tree.process(500, words, {12: "/dev/sg1"})
    assert rows(tree) == [("d0", "block", None)]
    assert "SCSI commands are passed on" in Host(tree.root).domains()[0].disks[0].reason


@pytest.mark.parametrize(
    ("device", "kind", "reason"),
    [
        ("vhost-scsi-pci,wwpn=naa.5001405a7a9d3ab4,id=d0", "vhostscsi", "kernel's SCSI target (naa.5001405a7a9d3ab4)"),
        ("vhost-user-scsi-pci,chardev=spdk,id=d0", "vhostuser", "another process through shared memory"),
        ("vhost-user-blk-pci-non-transitional,chardev=spdk,id=d0", "vhostuser", "another process"),
        ("vhost-vdpa-device-pci,vhostdev=/dev/vhost-vdpa-0,id=d0", "vdpa", "vDPA device (/dev/vhost-vdpa-0)"),
        (
            '{"driver":"vfio-user-pci","socket":{"type":"unix","path":"/run/s"},"id":"d0"}',
            "vfiouser",
            "(vfio-user, /run/s)",
        ),
        ("virtio-pmem-pci,memdev=mem1,id=d0", "pmem", "mapped file (/srv/p.img)"),
    ],
)
def test_a_disk_that_qemu_does_not_serve(device: str, kind: str, reason: str, tree: ProcessTree) -> None:
    words = ["kvm", "-object", "memory-backend-file,id=mem1,mem-path=/srv/p.img,size=1G", "-device", device,
             "-device", "vhost-user-fs-pci,chardev=c", "-device", "vhost-vsock-pci,guest-cid=3"]  # fmt: skip
    tree.process(500, words, {12: "/dev/vhost-vdpa-0"})
    assert rows(tree) == [("d0", kind, None)]
    found = Host(tree.root).domains()[0].disks[0].reason
    assert reason in found
    assert "--qemu-interval" not in found


@pytest.mark.parametrize(
    "words",
    [
        ["kvm", "-device", "vfio-pci,host=3b:02.1,id=0000:3b:02.1", "-device",
         '{"driver":"vfio-pci","sysfsdev":"/sys/bus/pci/devices/0000:01:00.0"}', "-device", "vfio-pci,host=00:02.0"],
        ["cloud-hypervisor", "--device", "path=/sys/bus/pci/devices/0000:3b:02.1",
         "path=/sys/bus/pci/devices/0000:01:00.0/",
         "path=/sys/bus/pci/devices/0000:00:02.0"],
        ["crosvm", "run", "--vfio", "/sys/bus/pci/devices/0000:3b:02.1,iommu=viommu",
         "--vfio", "/sys/bus/pci/devices/0000:01:00.0", "--vfio", "/sys/bus/pci/devices/0000:00:02.0"],
    ],
    ids=["qemu", "cloud-hypervisor", "crosvm"],
)  # fmt: skip
def test_a_disk_and_a_card_that_the_guest_drives_itself(words: list[str], tree: ProcessTree) -> None:
    """A virtual function, an NVMe device and a graphics card."""
    for address, kind in (("0000:3b:02.1", "020000"), ("0000:01:00.0", "010802"), ("0000:00:02.0", "030000")):
        tree.write(f"sys/bus/pci/devices/{address}/class", f"0x{kind}\n")
    tree.process(500, words)
    (machine,) = Host(tree.root).domains()
    ((disk,), (nic,)) = machine.disks, machine.interfaces
    assert (disk.target, disk.type, disk.counter_source) == ("0000:01:00.0", "pci", None)
    assert "the guest drives itself" in disk.reason
    assert (nic.target, nic.type, nic.source) == ("0000:3b:02.1", "hostdev", "0000:3b:02.1")
    assert "PCI device" in nic.reason
