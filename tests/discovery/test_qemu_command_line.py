"""A machine from its QEMU's command line, and from other VMMs'."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from testkit.fixture_trees import FIXTURES
from vmiostat import Roots
from vmiostat.discovery.row_names import with_row_names
from vmiostat.discovery.vmm import cloud_hypervisor as cloud_hypervisor_command_line
from vmiostat.discovery.vmm import crosvm as crosvm_command_line
from vmiostat.discovery.vmm import firecracker as firecracker_command_line
from vmiostat.discovery.vmm.disks import disks
from vmiostat.discovery.vmm.interface_by_mac import InterfaceByMac
from vmiostat.discovery.vmm.interfaces import interfaces
from vmiostat.discovery.vmm.qemu.command_line import command_line
from vmiostat.discovery.vmm.qemu.options import options, values
from vmiostat.model import Domain, Process
from vmiostat.system.descriptors import Descriptors
from vmiostat.system.netns import NetworkNamespaces


def drives(*words: str) -> list[tuple[str, str, str, str | None]]:
    found = command_line(["kvm", *words])
    assert found is not None
    return [(disk.target, disk.type, disk.device, disk.source) for disk in found.disks]


def test_commas_and_words_without_a_key() -> None:
    assert values("a,,b,,,c=d,,,nowait,server", "first") == {"first": "a,b,", "c": "d,", "wait": "off", "server": "on"}
    assert values('{"a": {"b": [true, 7, null, "x"]}}') == {"a.b.0": "on", "a.b.1": "7", "a.b.3": "x"}
    assert values('{"a": ') == values("") == {}


def test_an_option_s_value_is_no_option() -> None:
    words = ["qemu", "-S", "-append", "-drive", "--name", "-web", "-nographic", "a.img", "-future", "-snapshot"]
    assert list(options(words)) == [
        ("S", ""), ("append", "-drive"), ("name", "-web"), ("nographic", ""), ("", "a.img"), ("future", ""),
        ("snapshot", ""),
    ]  # fmt: skip


def test_drives_are_named_as_in_qemu_s_monitor() -> None:
    assert drives(
        "-hda", "a", "-cdrom", "/dev/sr0", "-drive", "file=b,if=virtio", "-drive", "file=c,if=virtio", "d"
    ) == [
        ("ide0-hd0", "file", "disk", "d"),
        ("ide1-cd0", "block", "cdrom", "/dev/sr0"),
        ("virtio0", "file", "disk", "b"),
        ("virtio1", "file", "disk", "c"),
    ]
    assert drives("-M", "q35", "-drive", "file=a,index=2") == [("ide2-hd0", "file", "disk", "a")]
    assert drives("-drive", "file=a,if=scsi,bus=1,unit=2") == [("scsi1-hd2", "file", "disk", "a")]
    assert drives("-fda", "f", "-pflash", "x") == [("floppy0", "file", "floppy", "f")]


@pytest.mark.parametrize(
    ("name", "kind", "source"),
    [
        ("rbd:pool/image:id=admin:key=secret", "network", "rbd:pool/image"),
        ("nbd://user:secret@host/export", "network", "nbd://host/export"),
        ("https://host/a.iso", "network", "https://host/a.iso"),
        ("iscsi://host/iqn.2016-04.example:a/1", "network", "iscsi://host/iqn.2016-04.example:a/1"),
        ("nvme://0000:01:00.0/1", "nvme", "0000:01:00.0 namespace 1"),
        ("fat:rw:/srv/folder", "dir", "/srv/folder"),
        ("file:/srv/a:b", "file", "/srv/a:b"),
        ("/srv/a:b", "file", "/srv/a:b"),
        ("/dev/disk/by-id/x", "block", "/dev/disk/by-id/x"),
        ("host_device:/dev/sg0", "block", "/dev/sg0"),
        ('json:{"driver":"raw",,"file":{"driver":"rbd",,"pool":"p",,"image":"i"}}', "network", "rbd:p/i"),
        ("null-co://", "null", "null-co"),
    ],
)
def test_a_file_name_may_be_a_storage(name: str, kind: str, source: str) -> None:
    assert drives("-drive", f"file={name},if=virtio") == [("virtio0", kind, "disk", source)]


def test_every_disk_has_a_name() -> None:
    words = [
        "kvm",
        "-device",
        "scsi-cd,id=",
        "-device",
        "vhost-user-blk-pci,id=,chardev=c",
        "-device",
        "scsi-hd,drive=",
    ]
    found = command_line(words)
    assert found is not None
    assert [disk.target for disk in found.disks] == ["scsi-cd", "vhost-user-blk-pci", "scsi-hd"]


def test_filters_and_references_are_followed() -> None:
    words = [
        "-blockdev", '{"driver":"host_device","filename":"/dev/vg/a","node-name":"s"}',
        "-blockdev", '{"driver":"raw","file":"s","node-name":"f"}',
        "-blockdev", '{"driver":"throttle","throttle-group":"g","node-name":"t","file":'
        '{"driver":"copy-on-read","file":"f"}}',
        "-device", "virtio-blk-pci,drive=t,id=d0",
        "-device", "scsi-block,drive=s,id=d1",
        "-device", "virtio-blk-pci,drive=nowhere,id=d2",
        "-device", "vhost-user-blk-pci,chardev=spdk0,id=d3",
    ]  # fmt: skip
    assert drives(*words) == [
        ("d0", "block", "disk", "/dev/vg/a"),
        ("d1", "block", "lun", "/dev/vg/a"),
        ("d2", "unknown", "disk", None),
        ("d3", "vhostuser", "disk", "spdk0"),
    ]


def test_a_cyclic_chain_ends() -> None:
    words = ["-blockdev", "raw,node-name=a,file=b,backing=b", "-blockdev", "raw,node-name=b,file=a,backing=a"]
    assert drives(*words, "-device", "virtio-blk-pci,drive=a") == [("a", "unknown", "disk", None)]


def test_where_packets_go() -> None:
    found = command_line(
        ["kvm", "-netdev", "bridge,id=a,br=br0", "-device", "e1000,netdev=a,mac=52:54:00:AB:00:01",
         *(word for name in "bcd" for word in ("-device", f"virtio-net,netdev={name}")),
         "-netdev", "stream,id=b,addr.type=unix,addr.path=/run/passt_1.socket", "-netdev", "vhost-user,id=c,chardev=x",
         "-nic", "tap,ifname=tap7,mac=52:54:00:00:00:02", "-nic", "none",
         "-net", "nic,macaddr=52:54:00:00:00:03", "-net", "tap,fd=9", "-netdev", "tap,fds=4:5,id=d"]
    )  # fmt: skip
    assert found is not None
    assert [(netdev.id, netdev.type, netdev.mac, netdev.source) for netdev in found.netdevs] == [
        ("a", "tap", "52:54:00:ab:00:01", "br0"),
        ("b", "user", None, "passt"),
        ("c", "vhostuser", None, None),
        ("tap.3", "tap", "52:54:00:00:00:02", None),
        ("tap.5", "tap", "52:54:00:00:00:03", None),
        ("d", "tap", None, None),
    ]
    assert [(netdev.interface, netdev.descriptors) for netdev in found.netdevs[3:]] == [
        ("tap7", ()), (None, (9,)), (None, (4, 5))
    ]  # fmt: skip


def test_a_vhost_user_card_says_who_is_at_the_other_end() -> None:
    words = ["-chardev", "socket,id=c0,path=/run/passt_2.socket", "-netdev", "vhost-user,id=a,chardev=c0",
             "-chardev", "socket,id=c1,path=/run/openvswitch/vhu1", "-netdev", "vhost-user,id=b,chardev=c1",
             "-device", "virtio-net-pci,netdev=a", "-device", "virtio-net-pci,netdev=b"]  # fmt: skip
    found = command_line(["kvm", *words])
    assert found is not None
    assert [(netdev.type, netdev.source) for netdev in found.netdevs] == [
        ("vhostuser", "passt"), ("vhostuser", "/run/openvswitch/vhu1")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["-netdev", "user,id=a,guestfwd=tcp:10.0.2.100:80-cmd:cat"], []),
        (["-net", "user,guestfwd=tcp:10.0.2.100:80-cmd:cat"], []),
        (["-netdev", "vhost-user,id=a,chardev=c", "-netdev", "user,id=b", "-device", "virtio-net-pci,netdev=b"], ["b"]),
        (["-netdev", "tap,id=a,fd=3", "-net", "nic,netdev=a"], ["a"]),
        (["-net", "nic", "-net", "user"], ["user.0"]),
        (["-nic", "user,model=e1000"], ["user.0"]),
    ],
)
def test_a_netdev_without_a_card_is_no_network_card(words: list[str], names: list[str]) -> None:
    found = command_line(["qemu-system-x86_64", *words])
    assert found is not None
    assert [netdev.id for netdev in found.netdevs] == names


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["-enable-kvm"], "kvm"),
        (["-accel", "kvm"], "kvm"),
        (["-machine", "pc,accel=kvm:tcg"], "kvm"),
        (["-accel", "tcg"], "qemu"),
        (["-name", "kvm"], "qemu"),
        (["-xen-domid", "3"], "xen"),
    ],
)
def test_the_type_of_a_domain(words: list[str], kind: str) -> None:
    found = command_line(["qemu-system-x86_64", *words])
    assert found is not None
    assert found.type == kind


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["/usr/bin/kvm"], "kvm"),
        (["/usr/libexec/qemu-kvm", "-M", "q35"], "kvm"),
        (["/usr/bin/kvm", "-accel", "tcg"], "qemu"),
        (["/usr/bin/kvm", "-M", "pc,accel=tcg"], "qemu"),
        (["/usr/bin/qemu-system-x86_64", "-M", "pc"], "qemu"),
    ],
)
def test_a_program_whose_name_ends_in_kvm_uses_it_by_default(words: list[str], kind: str) -> None:
    found = command_line(words)
    assert found is not None
    assert found.type == kind


def test_a_uuid_of_zeros_is_none() -> None:
    words = ["qemu", "-uuid", "00000000-0000-0000-0000-000000000000"]
    found = command_line(words)
    assert found is not None
    assert found.uuid is None


KEYS = [
    "driver", "file", "filename", "backing", "node-name", "drive", "id", "if", "index", "unit", "bus", "media",
    "netdev", "type", "fds", "ifname", "mac", "file.driver", "file.filename", "backing.driver", "addr.path",
]  # fmt: skip
OPTIONS = [
    "-drive", "-blockdev", "-device", "-netdev", "-net", "-nic", "-hda", "-cdrom", "-fda", "-name", "-uuid", "-M",
    "-accel", "-smbios", "-id", "-xen-domid", "--disk", "--net", "--block", "--id", "--api-socket", "run",
    "--tap-name", "-s", "-",
]  # fmt: skip
VALUES = st.sampled_from(["a", "b", "raw", "host_device", "rbd:", "json:{", "-1", "²", "9" * 30, "", "on"]) | st.text()
TEXT = st.dictionaries(st.sampled_from(KEYS), VALUES).map(lambda found: ",".join(f"{k}={v}" for k, v in found.items()))
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5)
WORDS = st.lists(st.sampled_from(OPTIONS) | TEXT | JSON.map(str) | st.text(), max_size=30)


@pytest.mark.parametrize(
    "words",
    [
        ["kvm", *["-hda", "a"] * 100_000],
        ["kvm", *["-blockdev", "raw,node-name=a,file=a" + ",x" * 100_000] * 3, *["-device", "a,drive=a"] * 20_000],
        ["kvm", *(word for number in range(9000) for word in ("-blockdev", f"a,node-name={number},file={number - 1}"))],
        ["cloud-hypervisor", "--disk", *["path=a"] * 100_000],
        ["kvm", "-drive", "," * 1_000_000],
    ],
    ids=["drives", "keys", "chain", "paths", "commas"],
)
@pytest.mark.timeout(10)
def test_no_command_line_is_slow_to_parse(words: list[str]) -> None:
    parse = command_line if words[0] == "kvm" else cloud_hypervisor_command_line.command_line
    found = parse(words)
    assert found is not None
    assert len(list(disks(found, None, Process(1), ROOTS))) == len(found.disks)


@given(WORDS)
@example(["-blockdev", "{" * 5000])
@example(["-drive", "unit=²"])
def test_any_command_line_gives_unique_names(words: list[str]) -> None:
    for parse in (command_line, *(module.command_line for module in OTHERS)):
        found = parse(["x", *words])
        if found is not None:
            process = Process(1)
            for opened in (None, OPENED):
                namespaces = NetworkNamespaces(ROOTS)
                nics = interfaces(found, opened, process, namespaces, InterfaceByMac(namespaces, ROOTS))
                given = Domain("x", disks=tuple(disks(found, opened, process, ROOTS)), interfaces=tuple(nics))
                named = with_row_names(given)
                for targets in ([disk.target for disk in named.disks], [nic.target for nic in named.interfaces]):
                    assert all(targets)
                    assert len(set(targets)) == len(targets)


ROOTS = Roots(FIXTURES / "busy-host")
OPENED = Descriptors({7: "/dev/net/tun", 8: "a"}, taps={7: "a"}, block_devices={8: (7, 0)})
OTHERS = (cloud_hypervisor_command_line, crosvm_command_line, firecracker_command_line)
