"""Domains and devices from well-formed definitions of every kind."""

from pathlib import Path

import pytest

from testkit.fixture_trees import DOMAIN_XML, XEN
from testkit.targets import targets
from vmiostat.discovery.defined_domains import defined_domains
from vmiostat.discovery.xml.domain import parse
from vmiostat.model import Disk, Domain, Interface


@pytest.fixture(scope="module")
def by_name() -> dict[str, Domain]:
    found = defined_domains(DOMAIN_XML)
    assert found.problems == ()
    return {domain.name: domain for domain in found.domains}


def test_every_file_defines_its_domain(by_name: dict[str, Domain]) -> None:
    assert len(by_name) == len(list(DOMAIN_XML.glob("*.xml")))
    assert {domain.type for domain in by_name.values()} == {
        "kvm", "qemu", "xen", "lxc", "bhyve", "vmware", "openvz", "vz", "hvf", "hyperv", "test", "",
    }  # fmt: skip
    assert {domain.provider for domain in by_name.values()} == {"xml"}


def test_the_domain_itself(by_name: dict[str, Domain]) -> None:
    domain = by_name["every-interface"]
    assert (domain.id, domain.type) == (12, "kvm")
    assert domain.uuid == "5b0c7a3e-0f1d-4a58-9f3c-1c2b3a4d5e02"  # in capitals in the file
    assert by_name["stored"].id is None
    assert by_name["größer"].uuid is None


def test_every_disk_type(by_name: dict[str, Domain]) -> None:
    disks = [(disk.target, disk.type, disk.device, disk.source) for disk in by_name["every-disk"].disks]
    assert disks == [
        ("vda", "block", "disk", "/dev/vg0/every-disk"),
        ("sda", "block", "lun", "/dev/disk/by-id/scsi-0example-lun-1"),
        ("vdb", "file", "disk", "/var/lib/libvirt/images/every-disk.qcow2"),  # not its backing chain's block device
        ("vdc", "file", "disk", "/var/lib/libvirt/images/no-type-means-file.raw"),
        ("fda", "dir", "floppy", "/srv/floppy"),
        ("sdb", "file", "cdrom", None),
        ("sdc", "file", "cdrom", None),
        ("vdd", "network", "disk", "rbd:pool/image"),
        ("sdd", "network", "lun", "iscsi:iqn.2013-07.com.example:iscsi-pool/1"),
        ("vde", "network", "disk", "nbd:export"),
        ("vdf", "network", "disk", "nbd"),
        ("vdg", "network", "disk", "gluster:volume1/image"),
        ("vdh", "network", "disk", "sheepdog:image"),
        ("sde", "network", "cdrom", "http:/boot.iso"),
        ("sdf", "network", "cdrom", "https:boot.iso"),
        ("sdg", "network", "cdrom", "ftp:boot.iso"),
        ("sdh", "network", "cdrom", "ftps:boot.iso"),
        ("sdi", "network", "cdrom", "tftp:boot.iso"),
        ("vdi", "network", "disk", "ssh:/srv/image.raw"),
        ("vdj", "network", "disk", "vxhs:eb90327c-8302-4725-9e1b-4e85ed4dc251"),
        ("vdk", "network", "disk", "nfs:/export/image.raw"),
        ("vdl", "volume", "disk", "lvm-pool/every-disk-2"),
        ("vdm", "nvme", "disk", "0000:01:00.0 namespace 1"),
        ("vdn", "vhostuser", "disk", "/run/vhost-blk.sock"),
        ("vdo", "vhostvdpa", "disk", "/dev/vhost-vdpa-0"),
        ("vdp", "file", "disk", "/dev/loop7"),
        ("sdj", "block", "disk", "/dev/not-there"),
        ("sdk", "file", "disk", "/srv/card.img"),
        ("scsi_host0 0:0:0", "scsi", "lun", "scsi_host0 0:0:0"),  # a hostdev, which has no target
    ]


def test_every_interface_type(by_name: dict[str, Domain]) -> None:
    nics = [(nic.target, nic.type, nic.source, nic.managed) for nic in by_name["every-interface"].interfaces]
    assert nics == [
        ("vnet0", "bridge", "default (virbr0)", True),
        ("vnet1", "network", "isolated", True),
        ("tap-managed", "ethernet", None, True),
        ("tap-foreign", "ethernet", None, False),
        ("mvt-foreign", "ethernet", None, False),
        ("macvtap0", "direct", "eth0", True),
        ("52:54:00:00:12:06", "user", None, True),
        ("52:54:00:00:12:07", "user", "passt", True),
        ("vhu1", "vhostuser", "/run/openvswitch/vhu1", True),
        ("52:54:00:00:12:09", "hostdev", "0000:3b:02.1", True),
        ("52:54:00:00:12:0a", "vdpa", "/dev/vhost-vdpa-1", True),
        ("52:54:00:00:12:0b", "internal", "inner", True),
        ("52:54:00:00:12:0c", "server", "127.0.0.1:5558", True),
        ("52:54:00:00:12:0d", "client", "127.0.0.1:5558", True),
        ("52:54:00:00:12:0e", "mcast", "230.0.0.1:5558", True),
        ("52:54:00:00:12:0f", "udp", "127.0.0.1:5558", True),
        ("52:54:00:00:12:10", "null", None, True),
        ("52:54:00:00:12:11", "vds", "12345678-1234-1234-1234-123456789abc", True),
        ("vnet2", "bridge", "br0", True),  # shares its MAC address with vnet0
        ("net:19", "user", None, True),  # shares one with an interface that is called by it
        ("net:20", "user", None, True),  # has none
    ]


def test_a_status_file_has_the_live_type_of_each_network(by_name: dict[str, Domain]) -> None:
    domain = by_name["status"]
    assert domain.id == 14
    assert domain.disks == (Disk("vda", "block", "disk", "/dev/vg0/status", "qemu"),)
    assert [(nic.target, nic.type, nic.source) for nic in domain.interfaces] == [
        ("vnet14", "network", "default (virbr0)"),
        ("macvtap14", "direct", "pool-of-devices (eth1)"),
        ("vnet15", "bridge", "bridged (br14)"),
        ("52:54:00:00:14:03", "hostdev", "0000:3b:02.2"),
        ("52:54:00:00:14:04", "vdpa", "vdpa-pool (/dev/vhost-vdpa-2)"),
    ]


@pytest.mark.parametrize("name", ["snapshot", "checkpoint", "backup"])
def test_a_past_state_has_no_id_and_no_generated_names(by_name: dict[str, Domain], name: str) -> None:
    domain = by_name[name]
    assert domain.id is None
    assert targets(domain.disks) == ["vda"]
    assert targets(domain.interfaces) == [domain.interfaces[0].mac]


def test_a_stored_definition_keeps_only_names_that_were_chosen(by_name: dict[str, Domain]) -> None:
    assert targets(by_name["stored"].interfaces) == ["52:54:00:00:13:00", "tap-stored", "52:54:00:00:13:02"]
    assert targets(by_name["xen-stored"].interfaces) == ["net:0"]  # vif1.0 may be another domain's by now


def test_xen(by_name: dict[str, Domain]) -> None:
    domain = by_name["xen-running"]
    assert [(disk.target, disk.driver) for disk in domain.disks] == [
        ("xvda", "phy"), ("xvdb", "tap"), ("sda1", "tap2"), ("hdb", "file"), ("xvdaa", "qemu"),
    ]  # fmt: skip
    assert targets(domain.interfaces) == ["vif31.0", "vif31.1"]


def test_a_container_s_file_systems_are_its_disks(by_name: dict[str, Domain]) -> None:
    assert [(disk.target, disk.type, disk.source) for disk in by_name["container"].disks] == [
        ("/", "mount", "/srv/container"),
        ("/data", "block", "/dev/vg0/container-data"),
        ("/image", "file", "/srv/container.img"),
        ("/tmp", "ram", None),
        ("/shared", "bind", "/data/shared"),
    ]
    assert by_name["104"].disks == (Disk("/", "template", "filesystem", "fedora-minimal"),)
    assert [disk.source for disk in by_name["vz"].disks] == ["/vz/private/root.hdd", "pool/data"]


def test_a_host_interface_that_was_moved_into_a_container(by_name: dict[str, Domain]) -> None:
    moved = by_name["container"].interfaces[1]
    assert (moved.target, moved.type, moved.source) == ("eth2", "hostdev", "eth2")
    assert "moved into the container" in moved.reason


def test_types_that_libvirt_does_not_have_yet(by_name: dict[str, Domain]) -> None:
    domain = by_name["größer"]
    assert domain.type == ""
    assert domain.disks[0] == Disk("vda", "holographic", source="/srv/cube")
    assert [nic.type for nic in domain.interfaces] == ["entangled", "bridge"]


def test_the_xml_of_a_real_xen_domain() -> None:
    (domain,) = defined_domains(XEN / "libvirt.lv1.xml").domains
    assert domain == Domain(
        name="lv1",
        id=3,
        uuid="7f1c0a52-7a4e-4d0b-9a55-6a0f0e5f2a01",
        type="xen",
        provider="xml",
        disks=(
            Disk("xvda", "block", source="/dev/loop100", driver="phy"),
            Disk("xvdb", "file", source="/srv/lab/lv1-b.raw", driver="file"),
            Disk("xvdc", "file", source="/srv/lab/lv1-c.raw", driver="qemu"),
        ),
        interfaces=(Interface("vif3.0", "bridge", mac="00:16:3e:00:21:00", source="xenbr0"),),
    )


def test_a_folder_gives_its_xml_files_and_no_other(tmp_path: Path) -> None:
    for name in ["b.xml", "a.xml", "a.xml.new", "notes.txt"]:
        (tmp_path / name).write_text(f"<domain type='kvm'><name>{name}</name></domain>")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "c.xml").write_text("<network/>")
    (tmp_path / "again.xml").symlink_to("a.xml")
    found = defined_domains(tmp_path)
    assert [domain.name for domain in found.domains] == ["a.xml", "b.xml"]
    assert found.problems == ()
    both = defined_domains([tmp_path / "b.xml", str(tmp_path)])
    assert [domain.name for domain in both.domains] == ["b.xml", "a.xml"]
    assert both.problems == ()


@pytest.mark.parametrize("stored_first", [True, False])
def test_the_running_definition_takes_precedence_over_the_stored_one(tmp_path: Path, stored_first: bool) -> None:
    uuid = "<uuid>5b0c7a3e-0f1d-4a58-9f3c-1c2b3a4d5e03</uuid>"
    (tmp_path / "stored.xml").write_text(f"<domain type='kvm'><name>web1</name>{uuid}</domain>")
    (tmp_path / "running.xml").write_text(f"<domain type='kvm' id='4'><name>web1</name>{uuid}</domain>")
    files = [tmp_path / "stored.xml", tmp_path / "running.xml"]
    found = defined_domains(files if stored_first else files[::-1])
    assert [domain.id for domain in found.domains] == [4]
    assert found.problems == ()


def test_comments_and_instructions_are_ignored() -> None:
    data = b"<?xml version='1.0'?><!-- c --><?p?><domain id='2'><!-- c --><name>we<!-- c -->b<?p?>1</name></domain>"
    assert parse(data, "memory").domain.name == "web1"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "iso-8859-1"])
def test_other_encodings(encoding: str) -> None:
    text = f"<?xml version='1.0' encoding='{encoding.removesuffix('-sig')}'?>\n<domain><name>größer</name></domain>"
    assert parse(text.encode(encoding), "memory").domain.name == "größer"


def test_blanks_at_a_name_s_ends_distinguish_domains() -> None:
    names = ("web", " web", "web ")
    found = [parse(f"<domain><name>{name}</name></domain>".encode(), "a.xml").domain.name for name in names]
    assert tuple(found) == names


def domain(devices: str, *, kind: str = "kvm", number: str = "") -> Domain:
    text = f"<domain type='{kind}'{number}><name>a</name><devices>{devices}</devices></domain>"
    found = parse(text.encode(), "a.xml")
    assert found.problems == ()
    return found.domain


@pytest.mark.parametrize(
    ("target", "kind", "name"),
    [
        ("<target dev='vnet0'/>", "kvm", ""),
        ("<target dev='macvtap3'/>", "kvm", ""),
        ("<target dev='vif1.0-emu'/>", "xen", ""),
        ("<target dev='vif1.0'/>", "kvm", "vif1.0"),
        ("<target dev='veth1'/>", "lxc", "veth1"),
        ("<target dev='vnet7' managed='no'/>", "kvm", "vnet7"),
        ("<target dev='web1'/>", "kvm", "web1"),
    ],
)
def test_a_stored_definition_loses_the_names_that_libvirt_ignores(target: str, kind: str, name: str) -> None:
    nic = f"<interface type='ethernet'>{target}</interface>"
    (found,) = domain(nic, kind=kind).interfaces
    assert found.target == (name or "net:0")
    assert ("a name that libvirt generated" in found.reason) == (name == "")
    assert domain(nic, kind=kind, number=" id='3'").interfaces[0].target != "net:0"


@pytest.mark.parametrize(
    ("hostdev", "disk"),
    [
        ("<hostdev mode='capabilities' type='storage'><source><block>/dev/sdf1</block></source></hostdev>",
         Disk("/dev/sdf1", "block", "disk", "/dev/sdf1")),
        ("<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host2'/>"
         "<address bus='0' target='1' unit='3'/></source><alias name='hostdev0'/></hostdev>",
         Disk("hostdev0", "scsi", "lun", "scsi_host2 0:1:3", alias="hostdev0")),
        ("<hostdev mode='subsystem' type='scsi'><source protocol='iscsi' name='iqn.2014-07.example:a/1'/></hostdev>",
         Disk("iscsi:iqn.2014-07.example:a/1", "network", "lun", "iscsi:iqn.2014-07.example:a/1")),
        ("<hostdev mode='subsystem' type='scsi_host'><source protocol='vhost' wwpn='naa.500'/></hostdev>",
         Disk("naa.500", "vhostscsi", "lun", "naa.500")),
        ("<hostdev mode='capabilities' type='misc'><source><char>/dev/x</char></source></hostdev>", None),
        ("<hostdev mode='subsystem' type='usb'><source><vendor id='0x1'/></source></hostdev>", None),
    ],
)  # fmt: skip
def test_a_disk_that_is_passed_through(hostdev: str, disk: Disk | None) -> None:
    assert domain(hostdev).disks == (() if disk is None else (disk,))


def test_a_vhost_user_card_of_passt() -> None:
    backend = "<source type='unix' path='/run/s' mode='server'/><backend type='passt'/>"
    (nic,) = domain(f"<interface type='vhostuser'>{backend}</interface>").interfaces
    assert (nic.type, nic.source) == ("vhostuser", "passt")


def test_another_vmm_than_qemu_serves_its_disks() -> None:
    disk = "<disk type='file'><source file='/a.raw'/><target dev='vda'/></disk>"
    for emulator, driver in (("cloud-hypervisor", "cloud-hypervisor"), ("qemu-system-x86_64", None)):
        (found,) = domain(f"<emulator>/usr/bin/{emulator}</emulator>{disk}").disks
        assert found.driver == driver
