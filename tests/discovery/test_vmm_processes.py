"""Virtual machines found only by their processes, in made /proc trees."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from testkit.targets import targets
from testkit.trees.processes import ProcessTree
from vmiostat import Domain, Host, Roots
from vmiostat.counter_sources import BlockDevice, NetDevice
from vmiostat.discovery.provider import Found, ScanContext
from vmiostat.discovery.vmm.processes import VmmProcesses
from vmiostat.model import Disk, Process

UUID = "88459b78-0aed-493b-bc09-9f1dd81d96d0"
LIBVIRT = [
    "/usr/bin/qemu-system-x86_64", "-name", "guest=web1,debug-threads=on", "-S", "-machine", "pc,accel=kvm",
    "-uuid", UUID,
    "-blockdev", '{"driver":"host_device","filename":"/dev/vg/a","node-name":"libvirt-3-storage"}',
    "-blockdev", '{"node-name":"libvirt-3-format","read-only":false,"driver":"raw","file":"libvirt-3-storage"}',
    "-device", '{"driver":"virtio-blk-pci","drive":"libvirt-3-format","id":"virtio-disk0"}',
    "-blockdev", '{"driver":"file","filename":"/srv/b.qcow2","node-name":"libvirt-2-storage"}',
    "-blockdev", '{"node-name":"libvirt-2-format","driver":"qcow2","file":"libvirt-2-storage","backing":null}',
    "-device", '{"driver":"scsi-hd","drive":"libvirt-2-format","id":"scsi0-0-0-0"}',
    "-device", '{"driver":"ide-cd","bus":"ide.0","id":"ide0-0-0"}',
    "-netdev", '{"type":"tap","fds":"31:32","id":"hostnet0"}',
    "-device", '{"driver":"virtio-net-pci","netdev":"hostnet0","id":"net0","mac":"52:54:00:00:00:01"}',
    "-netdev", '{"type":"tap","fd":"34","id":"hostnet1"}',
    "-device", '{"driver":"virtio-net-pci","netdev":"hostnet1","id":"net1","mac":"52:54:00:00:00:02"}',
    "-netdev", '{"type":"user","id":"hostnet2"}',
    "-device", '{"driver":"e1000","netdev":"hostnet2","id":"net2","mac":"52:54:00:00:00:03"}',
]  # fmt: skip


@pytest.fixture
def tree(tmp_path: Path) -> ProcessTree:
    made = ProcessTree(tmp_path, "lo", "vnet0", "vnet1", "tap100i0")
    made.disk("dm-3", "253:3")
    made.disk("sdb", "8:16")
    made.write("dev/dm-3", "")
    made.write("dev/sdb", "")
    made.link("dev/vg/a", "../dm-3")
    return made


def test_a_libvirt_guest_without_libvirt(tree: ProcessTree) -> None:
    opened = {3: "socket:[7]", 9: "/dev/kvm", 11: "/dev/dm-3", 12: "/srv/b.qcow2", 34: "/dev/tap7"}
    tree.process(4711, LIBVIRT, opened, {31: "vnet0", 32: "vnet0"})
    (web1,) = Host(tree.root).domains()
    assert (web1.name, web1.uuid, web1.id, web1.type, web1.provider) == ("web1", UUID, None, "kvm", "processes")
    assert web1.process == Process(4711, 4711)
    assert [(disk.target, disk.type, disk.device, disk.source, disk.counter_source) for disk in web1.disks] == [
        ("virtio-disk0", "block", "disk", "/dev/vg/a", BlockDevice(253, 3)),
        ("scsi0-0-0-0", "file", "disk", "/srv/b.qcow2", None),
        ("ide0-0-0", "file", "cdrom", None, None),
    ]
    assert "only QEMU" in web1.disks[1].reason
    assert web1.disks[2].reason == "an empty drive"
    tap, macvtap, user = web1.interfaces
    assert (tap.target, tap.mac, tap.counter_source, tap.swap_rx_tx) == (
        "vnet0",
        "52:54:00:00:00:01",
        NetDevice("vnet0"),
        True,
    )
    # A captured tree has no numbers of interfaces, so the macvtap goes by its device's name.
    assert (macvtap.target, macvtap.mac, macvtap.type) == ("tap7", "52:54:00:00:00:02", "direct")
    assert macvtap.counter_source is None
    assert "/dev/tap7" in macvtap.reason
    assert (user.target, user.mac, user.counter_source) == ("hostnet2", "52:54:00:00:00:03", None)
    assert "user mode" in user.reason


def test_a_proxmox_guest(tree: ProcessTree) -> None:
    words = [
        "/usr/bin/kvm", "-id", "100", "-name", "web1,debug-threads=on", "-no-shutdown", "-daemonize",
        "-smbios", f"type=1,uuid={UUID.upper()}",
        "-drive", "if=pflash,unit=0,format=raw,readonly=on,file=/dev/sdb",
        "-drive", "file=/dev/vg/a,if=none,id=drive-scsi0,format=raw,cache=none,aio=io_uring",
        "-device", "scsi-hd,bus=scsihw0.0,scsi-id=0,drive=drive-scsi0,id=scsi0,bootindex=100",
        "-drive", "if=none,id=drive-ide2,media=cdrom,aio=io_uring",
        "-device", "ide-cd,bus=ide.1,unit=0,drive=drive-ide2,id=ide2",
        "-drive", "file=rbd:pool/vm-100-disk-1:id=admin:key=c2VjcmV0:conf=/etc/ceph.conf,if=none,id=drive-scsi1",
        "-device", "scsi-hd,drive=drive-scsi1,id=scsi1",
        "-netdev", "type=tap,id=net0,ifname=tap100i0,script=/usr/libexec/pve-bridge,vhost=on",
        "-device", "virtio-net-pci,mac=BC:24:11:00:00:01,netdev=net0,bus=pci.0,id=net0",
    ]  # fmt: skip
    tree.process(500, words, {9: "/dev/kvm", 12: "/dev/dm-3", 13: "/dev/sdb"}, {40: "tap100i0"}, read_only=[13])
    (web1,) = Host(tree.root).domains()
    assert (web1.name, web1.id, web1.uuid) == ("web1", 100, UUID)
    assert Host(tree.root).domain(100) == web1
    assert [(disk.target, disk.device, disk.source, disk.counter_source) for disk in web1.disks] == [
        ("scsi0", "disk", "/dev/vg/a", BlockDevice(253, 3)),
        ("ide2", "cdrom", None, None),
        ("scsi1", "disk", "rbd:pool/vm-100-disk-1", None),
    ]
    assert [(nic.target, nic.mac) for nic in web1.interfaces] == [("tap100i0", "bc:24:11:00:00:01")]


def test_an_incus_guest_whose_devices_were_all_hot_plugged(tree: ProcessTree) -> None:
    words = ["/opt/incus/bin/qemu-system-x86_64", "-S", "-name", "c1", "-uuid", UUID, "-readconfig", "/run/qemu.conf"]
    tree.process(500, words, {9: "/dev/kvm", 12: "/dev/dm-3", 13: "/dev/dm-3"}, {40: "tap1", 41: "tap1", 42: "tap2"})
    (c1,) = Host(tree.root).domains()
    assert [(disk.target, disk.counter_source) for disk in c1.disks] == [("/dev/dm-3", BlockDevice(253, 3))]
    assert targets(c1.interfaces) == ["tap1", "tap2"]


def test_unplugged_devices_are_gone(tree: ProcessTree) -> None:
    tree.process(500, LIBVIRT, {12: "/srv/b.qcow2"}, {31: "vnet5"})
    (web1,) = Host(tree.root).domains()
    assert web1.type == "qemu"  # whatever it was started with, /dev/kvm is not open
    assert targets(web1.disks) == ["scsi0-0-0-0", "ide0-0-0"]
    assert targets(web1.interfaces) == ["vnet5", "hostnet2"]


def test_a_disk_below_an_overlay_says_so(tree: ProcessTree) -> None:
    tree.process(500, LIBVIRT, {11: "/dev/dm-3"}, read_only=[11])
    disk = Host(tree.root).domains()[0].disks[0]
    assert disk.counter_source == BlockDevice(253, 3)
    assert "overlay" in disk.reason


def test_a_backing_device_is_no_disk(tree: ProcessTree) -> None:
    words = [
        "qemu-system-x86_64",
        "-blockdev", "driver=qcow2,node-name=top,file.driver=host_device,file.filename=/dev/vg/a,"
        "backing.driver=raw,backing.file.driver=host_device,backing.file.filename=/dev/sdb",
        "-device", "virtio-blk-pci,drive=top",
    ]  # fmt: skip
    tree.process(500, words, {11: "/dev/dm-3", 12: "/dev/sdb"}, read_only=[12])
    (machine,) = Host(tree.root).domains()
    assert machine.name == "pid 500"
    assert [(disk.target, disk.counter_source) for disk in machine.disks] == [("top", BlockDevice(253, 3))]


def test_firecracker_and_cloud_hypervisor_and_crosvm(tree: ProcessTree) -> None:
    tree.process(
        5, ["/firecracker", "--id", "fc1", "--api-sock", "/a"], {9: "/dev/kvm", 10: "/dev/sdb"}, {11: "fctap0"}
    )
    words = [
        "/usr/bin/cloud-hypervisor", "--api-socket", "path=/run/ch1.sock",
        "--disk", "path=/dev/vg/a,id=os", "path=/b",
        "--net", "tap=vnet0,mac=2E:89:A8:00:00:01", "vhost_user=true,socket=/run/sock,id=n1",
    ]  # fmt: skip
    tree.process(6, words, {9: "/dev/kvm", 10: "/dev/dm-3", 12: "/b"}, {11: "vnet0"})
    words = ["crosvm", "run", "--disable-sandbox", "--block", "path=/dev/sdb,ro", "--net", "tap-name=vnet1", "-s", "/s"]
    tree.process(7, words, {9: "/dev/kvm", 10: "/dev/sdb"}, {11: "vnet1"})
    tree.process(8, ["crosvm", "stop", "/s"])
    fc1, ch1, crosvm = Host(tree.root).domains()
    assert (fc1.name, targets(fc1.disks), targets(fc1.interfaces), fc1.type) == ("fc1", ["/dev/sdb"], ["fctap0"], "kvm")
    assert (ch1.name, targets(ch1.disks), targets(ch1.interfaces)) == ("/run/ch1.sock", ["os", "/b"], ["vnet0", "n1"])
    assert "only cloud-hypervisor" in ch1.disks[1].reason
    assert "ovs-vsctl" in ch1.interfaces[1].reason
    assert ch1.interfaces[0].mac == "2e:89:a8:00:00:01"
    assert (crosvm.name, targets(crosvm.disks), targets(crosvm.interfaces)) == ("/s", ["/dev/sdb"], ["vnet1"])


def rows(domain: Domain) -> list[tuple[str, str, str | None]]:
    return [(disk.target, disk.type, disk.source) for disk in domain.disks]


def test_every_disk_and_card_of_a_crosvm(tree: ProcessTree) -> None:
    words = ["crosvm", "run", "-b", "/dev/vg/a,root", "--block", "path=/b.img,ro", "-r", "/c.img", "-d", "/d.img",
             "--rwdisk", "/e.img", "--scsi-block", "path=/f.img", "--pmem-device", "/g.img", "--pmem", "path=/dev/sdb",
             "--pflash", "path=/vars", "--vhost-user", "block,socket=/run/h", "--vhost-user-blk", "/run/i",
             "--vhost-user", "type=fs,socket=/run/fs", "--vhost-user-net", "/run/j", "--net", "tap-name=vnet0",
             "--tap-fd", "33", "bzImage"]  # fmt: skip
    tree.process(7, words, {9: "/dev/kvm", 10: "/dev/dm-3", 11: "/dev/sdb"}, {12: "vnet0", 33: "vnet1"})
    (crosvm,) = Host(tree.root).domains()
    assert rows(crosvm) == [
        ("/dev/vg/a", "block", "/dev/vg/a"),
        *((f"/{name}.img", "file", f"/{name}.img") for name in "bcdef"),
        ("/g.img", "pmem", "/g.img"),
        ("/dev/sdb", "pmem", "/dev/sdb"),
        ("/run/h", "vhostuser", "/run/h"),
        ("/run/i", "vhostuser", "/run/i"),
    ]
    assert targets(crosvm.interfaces) == ["vnet0", "vnet1", "/run/j"]
    assert all("QEMU" not in disk.reason for disk in crosvm.disks)


def test_other_disks_of_a_cloud_hypervisor(tree: ProcessTree) -> None:
    words = ["cloud-hypervisor", "--disk", "path=/a.raw", "--pmem", "file=/dev/sdb", "file=/p.img,id=p1",
             "--vdpa", "path=/dev/vhost-vdpa-0,num_queues=1", "--user-device", "socket=/run/nvme.sock"]  # fmt: skip
    tree.process(7, words, {9: "/dev/kvm", 10: "/dev/sdb"})
    (machine,) = Host(tree.root).domains()
    assert rows(machine) == [
        ("/a.raw", "file", "/a.raw"),
        ("pmem0", "pmem", "/dev/sdb"),
        ("p1", "pmem", "/p.img"),
        ("vdpa0", "vdpa", "/dev/vhost-vdpa-0"),
        ("user-device0", "vfiouser", "/run/nvme.sock"),
    ]
    assert all(disk.reason and disk.counter_source is None for disk in machine.disks)


READCONFIG = """# of Incus
[machine]
type = "q35"
[drive "d0"]
  file = "/dev/vg/a"
  if = "none"
[device "dev0"]
driver = "virtio-blk-pci"
drive = "d0"
[netdev "n0"]
  type = "tap"
  ifname = "vnet0"
[device "card0"]
  driver = "virtio-net-pci"
  netdev = "n0"
  mac = "52:54:00:00:00:09"
"""


def test_devices_in_a_configuration_file_of_qemu(tree: ProcessTree) -> None:
    tree.write("proc/500/root/run/qemu.conf", READCONFIG)
    tree.process(500, ["qemu-system-x86_64", "-readconfig", "/run/qemu.conf"], {12: "/dev/dm-3"}, {40: "vnet0"})
    host = Host(tree.root)
    (machine,) = host.domains()
    assert rows(machine) == [("dev0", "block", "/dev/vg/a")]
    assert machine.disks[0].counter_source == BlockDevice(253, 3)
    assert [(nic.target, nic.mac) for nic in machine.interfaces] == [("vnet0", "52:54:00:00:00:09")]
    assert host.problems == ()


CONFIG_FILE = """{"boot-source": {"kernel_image_path": "vmlinux"},
 "drives": [{"drive_id": "rootfs", "path_on_host": "/root.ext4", "is_root_device": true, "is_read_only": true},
            {"drive_id": "data", "path_on_host": "/data", "is_root_device": false},
            {"drive_id": "fast", "socket": "/run/spdk"}, 7],
 "pmem": [{"id": "p0", "path_on_host": "/p.img"}],
 "network-interfaces": [{"iface_id": "eth0", "guest_mac": "06:00:AC:10:00:02", "host_dev_name": "vnet0"}]}"""


def test_devices_in_a_configuration_file_of_firecracker(tree: ProcessTree) -> None:
    """In its jail, where a device node has any name."""
    tree.write("proc/5/root/vm.json", CONFIG_FILE)
    tree.link("proc/5/root/data", "/dev/sdb")
    tree.process(5, ["/firecracker", "--id=fc1", "--config-file", "/vm.json"], {10: "/dev/sdb"}, {11: "vnet0"})
    (machine,) = Host(tree.root).domains()
    assert rows(machine) == [
        ("rootfs", "file", "/root.ext4"),
        ("data", "block", "/data"),
        ("fast", "vhostuser", "/run/spdk"),
        ("p0", "pmem", "/p.img"),
    ]
    assert machine.disks[1].counter_source == BlockDevice(8, 16)
    assert "only Firecracker" in machine.disks[0].reason
    assert [(nic.target, nic.mac) for nic in machine.interfaces] == [("vnet0", "06:00:ac:10:00:02")]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["kvm", "-name", "a", "-readconfig", "/run/gone.conf"], "/run/gone.conf (No such file or directory)"),
        (["kvm", "-name", "a", "-readconfig", "qemu.conf"], "qemu.conf (its path is relative)"),
        (["firecracker", "--id", "a", "--config-file", "/odd.json"], "/odd.json (it is no JSON object)"),
        (["crosvm", "run", "--name", "a", "--cfg", "/c.json"], "/c.json (crosvm's configuration files are not read)"),
    ],
)
def test_a_configuration_file_that_is_not_read_is_a_problem(words: list[str], why: str, tree: ProcessTree) -> None:
    tree.write("proc/500/root/odd.json", "[" * 100_000)
    tree.process(500, words)
    host = Host(tree.root)
    host.domains()
    (problem,) = host.problems
    assert f"'a': {why}" in str(problem)
    if "gone" in why:
        tree.write("proc/500/root/run/gone.conf", READCONFIG)
        host.domains()
        assert host.problems == ()


@pytest.mark.parametrize(
    "words",
    [
        ["/usr/sbin/openvpn", "--dev", "tap0"],
        ["/usr/sbin/libvirtd"],
        ["/usr/bin/passt", "--vhost-user"],
        ["/usr/bin/qemu-img", "convert"],
        ["/usr/bin/qemu-x86_64", "a.out"],
        ["qemu-system-x86_64", "-S", "-no-user-config", "-machine", "none,accel=kvm:tcg"],
        ["qemu-system-x86_64", "--version"],
        ["vim", "/usr/bin/qemu-system-x86_64"],
        [],
    ],
)
def test_a_tap_makes_no_virtual_machine(words: list[str], tree: ProcessTree) -> None:
    tree.process(500, words, {9: "/dev/sdb"}, {11: "vnet0"})
    assert VmmProcesses().scan(ScanContext(tree.roots)).domains == ()
    assert [domain.type for domain in Host(tree.root).domains()] == ["host"]


def test_another_vmm_by_the_kernel_s_list_of_kvm_machines(tree: ProcessTree) -> None:
    (tree.root / "sys/kernel/debug/kvm/500-12").mkdir(parents=True)
    tree.process(500, ["/usr/bin/lkvm", "run"], {10: "/dev/kvm", 12: "anon_inode:kvm-vm"}, {11: "vnet0"})
    (machine,) = VmmProcesses().scan(ScanContext(tree.roots)).domains
    assert (machine.name, machine.type, targets(machine.interfaces)) == ("pid 500", "kvm", ["vnet0"])


def test_a_xen_guest_s_qemu_is_no_domain_of_its_own(tree: ProcessTree) -> None:
    (tree.root / "sys/bus/xen-backend/devices/vbd-4-768").mkdir(parents=True)
    words = ["/usr/libexec/xen-qemu-system-i386", "-xen-domid", "4", "-name", "web1", "-drive", "file=/dev/vg/a,if=ide"]
    tree.process(500, words, {10: "/dev/dm-3"}, {11: "vif4.0-emu"})
    (web1,) = Host(tree.root).domains()
    assert (web1.name, web1.provider, web1.process) == ("Domain-4", "xen-sysfs", Process(500, 500))


def pids(found: Found) -> list[int]:
    return [domain.process.pid for domain in found.domains if domain.process is not None]


def test_a_vmm_that_forks_is_one_machine(tree: ProcessTree) -> None:
    """Whichever has the lower pid, and whoever else it has for a child; a domain of libvirt, too."""
    tree.process(500, LIBVIRT, parent=501)
    tree.process(501, LIBVIRT, parent=1)
    tree.process(502, [*LIBVIRT, "-S"], parent=501)
    vmms = VmmProcesses()
    for full in (True, False, True):
        assert pids(vmms.scan(ScanContext(tree.roots, full=full))) == [501, 502]
    context = ScanContext(tree.roots)
    context.known_pids = {501}
    assert pids(vmms.scan(context)) == [502]


def test_a_fork_whose_parent_has_ended_is_a_machine_unless_it_only_cleans_up(tree: ProcessTree) -> None:
    """QEMU's -daemonize and its async-teardown."""
    tree.process(500, LIBVIRT, parent=1)
    tree.process(501, LIBVIRT, parent=500)
    tree.process(502, LIBVIRT, parent=1, name="cleanup/499")
    vmms = VmmProcesses()
    assert pids(vmms.scan(ScanContext(tree.roots, full=False))) == [500]
    shutil.rmtree(tree.root / "proc/500")
    tree.process(501, LIBVIRT, parent=1)
    assert pids(vmms.scan(ScanContext(tree.roots, full=False))) == [501]


def test_a_process_that_has_ended_is_left_out(tree: ProcessTree) -> None:
    tree.process(500, LIBVIRT, state="Z")
    tree.process(501, LIBVIRT)
    (tree.root / "proc/501/stat").unlink()
    tree.process(502, LIBVIRT)
    (tree.root / "proc/502/fd").rmdir()
    assert VmmProcesses().scan(ScanContext(tree.roots)).domains == ()
    assert VmmProcesses().scan(ScanContext(tree.roots)).problems == ()


def test_a_proc_without_processes_is_no_problem(tmp_path: Path) -> None:
    tree = ProcessTree(tmp_path / "captured", "lo")
    for folder in ("1", "2"):
        shutil.rmtree(tree.root / "proc" / folder)
    assert VmmProcesses().scan(ScanContext(Roots(proc=tree.root / "proc"))) == Found()
    assert VmmProcesses().scan(ScanContext(Roots(tmp_path))) == Found()


def test_a_process_of_a_known_domain_is_not_read(tree: ProcessTree) -> None:
    tree.process(500, LIBVIRT)
    tree.process(501, ["kvm", "-name", "other"])
    context = ScanContext(tree.roots)
    context.known_pids.add(500)
    found = VmmProcesses().scan(context)
    assert [domain.name for domain in found.domains] == ["other"]


def test_a_guest_in_another_network_namespace(tree: ProcessTree) -> None:
    tree.process(500, ["kvm", "-name", "a"], taps={9: "vnet9"}, namespace="net:[7]")
    tree.process(501, ["kvm", "-name", "b"], taps={9: "vnet8", 10: "vnet0"}, namespace="net:[7]")
    tree.write("proc/500/net/dev", "Inter-|\n face |\n vnet9: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n")
    a, b = Host(tree.root).domains()
    assert a.interfaces[0].counter_source == NetDevice("vnet9", "/proc/500/ns/net")
    assert a.interface_stats("vnet9").rx_bytes == 9
    # A namespace has one path, whichever of its processes comes first; a tap that was passed on stays where it is.
    assert [nic.counter_source for nic in b.interfaces] == [NetDevice("vnet8", "/proc/500/ns/net"), NetDevice("vnet0")]
    assert "/proc/500/ns/net" in b.interfaces[0].reason


def test_two_of_one_name(tree: ProcessTree) -> None:
    for pid in (500, 501):
        tree.process(pid, ["kvm", "-name", "web1", "-uuid", UUID])
    host = Host(tree.root)
    assert [(domain.name, domain.uuid) for domain in host.domains()] == [("web1@500", None), ("web1@501", None)]
    (problem,) = host.problems
    assert "the name 'web1' (pid 500, 501)" in str(problem)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("closed", ["descriptors", "command lines"])
def test_without_rights_the_problem_says_which_it_takes(tree: ProcessTree, closed: str) -> None:
    tree.root.chmod(0o755)
    tree.process(500, LIBVIRT, {11: "/dev/dm-3"}, {31: "vnet0"})
    tree.process(501, ["kvm", "-name", "b", "-netdev", "tap,id=n,ifname=vnet1", "-device", "e1000,netdev=n",
                       "-nic", "bridge,mac=52:54:00:00:00:04"], taps={9: "vnet1"})  # fmt: skip
    # A tap of libvirt has nearly the address of its guest's card. One fits the second card, two fit the first.
    for name, address in (
        ("vnet0", "fe:54:00:00:00:02"),
        ("vnet1", "fe:54:00:00:00:01"),
        ("tap100i0", "fe:54:00:00:00:01"),
    ):
        tree.write(f"sys/class/net/{name}/address", f"{address}\n")
        tree.write(f"sys/class/net/{name}/tun_flags", "0x1002\n")
    # A macvtap has its guest's own address.
    tree.write("sys/class/net/lo/address", "52:54:00:00:00:04\n")
    tree.write("sys/class/net/lo/macvtap/tap3/dev", "1:1\n")
    for pid in (500, 501):
        (tree.root / f"proc/{pid}" / ("fd" if closed == "descriptors" else "cmdline")).chmod(0o600)
    code = (
        "import os; from vmiostat import Roots; from vmiostat.discovery.provider import ScanContext\n"
        "from vmiostat.discovery.vmm.processes import VmmProcesses\n"
        "from vmiostat.resolve import resolve\n"
        "roots = Roots('.'); os.setgroups([]); os.setuid(65534)\n"
        "found = VmmProcesses().scan(ScanContext(roots))\n"
        "for domain in found.domains:\n"
        "    print(domain.name, *domain.disks, *domain.interfaces)\n"
        "    for nic in resolve(domain, roots).interfaces: print(nic.reason, nic.type, nic.swap_rx_tx)\n"
        "print(*found.problems, sep='\\n')"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tree.root, capture_output=True, text=True, timeout=30, check=True)
    if closed == "descriptors":
        assert "web1 virtio-disk0 scsi0-0-0-0 ide0-0-0 hostnet0 vnet0 hostnet2" in done.stdout
        assert "b vnet1 lo\n" in done.stdout
        assert "direct False" in done.stdout
        assert "/proc/500/fdinfo" in done.stdout
        assert "descriptors of 2 virtual machines ('web1', 'b')" in done.stdout
        assert "CAP_SYS_PTRACE" in done.stdout.splitlines()[-1]
    else:
        assert done.stdout.strip() == ""  # a captured tree's permissions are not those of its machine


def test_a_hostile_command_line_affects_only_itself(tree: ProcessTree) -> None:
    deep = "[" * 100_000
    tree.process(
        500, ["kvm", "-blockdev", deep, "-device", '{"driver":{"a":[1]}}', "-netdev", ",,,", "-name", "\udcff,,"]
    )
    tree.process(501, ["kvm", "-name", "fine"])
    odd, fine = VmmProcesses().scan(ScanContext(tree.roots)).domains
    assert (odd.name, odd.disks, fine.name) == ("\udcff,", (), "fine")


def test_the_other_names_of_a_program(tree: ProcessTree) -> None:
    names = [".qemu-system-x86_64-wrapped", "qemu-kvm", "firecracker-v1.13.1-x86_64", "cloud-hypervisor-static",
             "qemu-virtiofs-system-x86_64", "kvm-spice", "qemu-dm", "xen-qemu-system-i386"]  # fmt: skip
    for pid, name in enumerate(names, 500):
        tree.process(pid, [f"/somewhere/{name}"])
    assert [domain.name for domain in VmmProcesses().scan(ScanContext(tree.roots)).domains] == [
        f"pid {500 + n}" for n in range(8)
    ]


@pytest.mark.parametrize(
    "name", ["firecracker-containerd", "cloud-hypervisor-exporter", "crosvm-monitor", "kvm_stat", "qemu-ga"]
)
def test_a_program_whose_name_begins_with_a_vmm_s_is_none(name: str, tree: ProcessTree) -> None:
    tree.process(500, [f"/usr/bin/{name}", "run"], name=name)
    assert VmmProcesses().scan(ScanContext(tree.roots)) == Found()
    assert [domain.type for domain in Host(tree.root).domains()] == ["host"]


def test_a_disk_in_the_process_s_own_dev(tree: ProcessTree) -> None:
    """In a mount namespace of its own, as libvirt gives QEMU one."""
    tree.process(500, ["kvm", "-name", "a", "-drive", "file=/dev/mine,if=none,id=d0"])
    tree.link("proc/500/root/dev/mine", "/dev/sdb")
    (tree.root / "proc/500/fd").chmod(0o700)
    domain = VmmProcesses().scan(ScanContext(tree.roots)).domains[0]
    assert domain.disks == ()  # it is not open
    tree.link("proc/500/fd/7", "/dev/sdb")
    tree.write("proc/500/fdinfo/7", "flags:\t02\n")
    (disk,) = VmmProcesses().scan(ScanContext(tree.roots)).domains[0].disks
    assert disk == Disk("d0", "block", "disk", "/dev/mine", driver="qemu", counter_source=BlockDevice(8, 16))
