"""Makes the seeds of fuzz/corpus from the fixtures and from what old and odd kernels print.

Run it as `python fuzz/seeds.py`. A seed's name is its hash, as libFuzzer's own are.
"""

import hashlib
import json
import struct
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT / "fuzz" / "corpus"
LIMITS = [0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**25]


def write(target: str, seed: bytes) -> None:
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha1(seed).hexdigest()).write_bytes(seed)


def lines_of(pattern: str, each: int) -> list[bytes]:
    """Every so manieth line of the fixtures' files."""
    files = sorted((ROOT / "fixtures").glob(pattern))
    return [line for file in files for line in file.read_bytes().splitlines(keepends=True)[::each]]


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value


def message(kind: int, payload: bytes, flags: int = 2, sequence: int = 7) -> bytes:
    return struct.pack("=IHHII", 16 + len(payload), kind, flags, sequence, 0) + payload


def stats(ifindex: int, words: list[int]) -> bytes:
    numbers = struct.pack(f"={len(words)}Q", *words)
    return struct.pack("=IIBBHI", 0, ifindex, 0, 0, 0, 1)[4:] + attribute(0, b"") + attribute(1, numbers)


def main() -> None:
    interfaces = lines_of("*/**/proc/net/dev", 17) + lines_of("*/proc/net/dev", 17)
    interfaces += [b"ibr10:30: " + b"1 " * 16, b"eth0:" + b"1 " * 15 + b"1", b"br1:2:" + b" 4294967295" * 16 + b"\n"]
    disks = lines_of("**/proc/diskstats", 11)
    disks += [b" 259 0 nvme0n1 " + b"7 " * count + b"\n" for count in (4, 11, 15, 17, 21)]
    for line in interfaces:
        write("netdev", line)
    for line in disks:
        write("diskstats", line)
        write("block_stat", line.split(None, 3)[-1])
    for number in LIMITS:
        write("decimal", b"%d" % number)
        write("decimal", b"%d %d\t%d\n" % (number, number, number))
        for text in (b"%d\n" % number, b"-%d\n" % number):
            write("xen_vbd", text)
    replies = [
        message(92, stats(3, list(range(1, 24)))),
        message(92, stats(2**31, [2**61 - 1] * 25)),
        message(92, stats(4, [2**64 - 1] * 23), flags=0x12),
        message(3, bytes(4)),
        message(2, struct.pack("=i", -19)),
        message(2, struct.pack("=i", 0)),
    ]
    for reply in [*replies, b"".join(replies), attribute(1, bytes(23 * 8))]:
        write("link_stats", reply)
    groups = [
        b"8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6",
        b"7:0 8:16 9:0 rbytes=9223372036854775807 wbytes=1 rios=1 wios=1 cost.usage=7",
        *(b"8:0 %s 4096" % word for word in (b"Read", b"Write", b"Sync", b"Discard", b"Total")),
        b"7:0 Read 1",
        b"Total 3",
    ]
    for line in [*groups, b"\n".join(groups), b"Block devices:\n  7 loop\n  8 sd\n  9 md\n253 device-mapper\n"]:
        write("cgroup_io", line)
    for number in LIMITS:
        write("process_io", b"rchar: 1\nread_bytes: %d\nwrite_bytes: %d\ncancelled_write_bytes: 0\n" % (number, number))
    function = attribute(1, struct.pack("=I", 3) + bytes(32)) + attribute(
        8, b"".join(attribute(kind, struct.pack("=Q", kind + 1)) for kind in range(9))
    )
    for kinds in ((22, 1), (22 | 0x8000, 1 | 0x8000)):
        write("vf_stats", attribute(4, b"eth0") + attribute(kinds[0], attribute(kinds[1], function) * 2))
    link = struct.pack("=BBHiII", 0, 0, 1, 7, 0x11043, 0)
    address, name = attribute(1, b"abcdef") + b"\0\0", attribute(3, b"vnet0\0") + b"\0\0"
    announced = [
        message(16, link + name),
        message(16, link + address + name),
        message(17, link + name),
        message(16, b"\x07" + link[1:] + name),
        message(16, link[:-1]),
        message(16, link),
    ]
    for reply in [*announced, b"".join(announced)]:
        write("links", reply)
    events = [
        struct.pack("=iIII16s", 1, 0x80, 0, 16, b"web1.xml"),
        struct.pack("=iIII", -1, 0x4000, 0, 0),
        struct.pack("=iIII", 2, 0x8, 0, 2**32 - 1),
    ]
    for seed in [*events, b"".join(events)]:
        write("inotify", seed)
    for subsystem in (b"block", b"xen-backend", b"net"):
        words = [b"add@/devices/x", b"ACTION=add", b"DEVPATH=/devices/x", b"SUBSYSTEM=" + subsystem, b"SEQNUM=7", b""]
        write("uevent", b"\0".join(words))
    heading = b"Inter-|   Receive\n face |bytes\n"
    ours = [b"%s:" % name + b" 1" * 16 + b"\n" for name in (b"  eth0", b"   br1", b" br1:2", b"    lo")]
    devices = [b" %4d %7d sd " % number + b"1 " * 17 + b"\n" for number in ((8, 0), (8, 1), (259, 0))]
    whole = heading + b"".join(chain(ours, devices))
    turned = heading + b"".join(chain(reversed(ours), devices[1:]))
    for text in (whole, turned, whole + b"\xff" + turned, turned + b"\xff\xff" + whole, b"\xfe" + whole, b"\xfe7"):
        write("line_table", text)
    page = struct.pack("<II11Q", 1, 0, 3, 110, 100, 800, 5_000, 220, 200, 1_600, 9_000, 1, 0)
    later = struct.pack("<II11Q", 1, 0, 3, 111, 101, 808, 2**64 - 5, 220, 201, 2**54, 9_001, 1, 1)
    for pages in (page, later, page + later, page + page, later[:95], b"\2" + page[1:], bytes(4096)):
        write("tapdisk", pages)


def texts() -> None:
    """Seeds of what is read in Python."""
    for folder in ("domain-xml", "domain-xml-bad"):
        for file in sorted((ROOT / "fixtures" / folder).glob("*.xml")):
            write("domain_xml", file.read_bytes()[:4000])
    greeting = {"QMP": {"version": {"qemu": {"major": 9}}, "capabilities": ["oob"]}}
    node = {"node-name": "libvirt-1-storage", "stats": {"wr_highest_offset": 4096}}
    stats = {
        "rd_bytes": 512,
        "rd_operations": 1,
        "wr_total_time_ns": 2**63,
        "unmap_merged": -1,
        "flush_operations": 1e3,
    }
    disk = {"device": "drive-virtio-disk0", "qdev": "/machine/peripheral/virtio-disk0/virtio-backend", "stats": stats}
    nodes = [{"node-name": "libvirt-1-storage", "image": {"virtual-size": 1 << 30, "actual-size": 4096}}]
    answers: list[list[dict[str, object]]] = [
        [{"return": {}, "id": 0}, {"return": [disk | {"node-name": "f", "parent": node}], "id": 1}],
        [{"return": {}, "id": 0}, {"return": [{"device": "ide0", "stats": {}}], "id": 1}, {"return": nodes, "id": 2}],
        [{"event": "RESET", "data": {}}, {"error": {"class": "GenericError", "desc": "a\x1bb"}, "id": 0}],
        [{"return": [None, [], {"qdev": 7}], "id": 0}],
    ]
    for answer in answers:
        lines = b"".join(json.dumps(message).encode() + b"\r\n" for message in [greeting, *answer])
        write("qmp", b"\0\x30" + lines)
    commands = (
        "qemu-system-x86_64 -name guest=web1,debug-threads=on -machine pc-q35-7.2,accel=kvm -uuid %s "
        '-blockdev {"driver":"file","filename":"/srv/a,b.qcow2","node-name":"f"} '
        '-blockdev {"node-name":"n","driver":"qcow2","file":"f"} '
        "-device virtio-blk-pci,drive=n,id=virtio-disk0 -netdev tap,fds=3:4,id=n0 -device virtio-net,netdev=n0",
        "/usr/bin/kvm -id 100 -name web1,debug-threads=on -smbios type=1,uuid=%s "
        "-drive file=/dev/vg0/vm-100,if=none,id=drive-scsi0,format=raw -device scsi-hd,drive=drive-scsi0,id=scsi0 "
        "-netdev type=tap,id=net0,ifname=tap100i0,script=/bin/true -device e1000,mac=00:16:3E:00:00:01,netdev=net0",
        "qemu-system-i386 -xen-domid 3 -hda disk,,1.img -drive if=virtio,file=/dev/sdb,readonly=on -nic user -nic vde",
        "qemu -machine none -display none",
    )
    for command in commands:
        command = command.replace("%s", "7f1c0a52-7a4e-4d0b-9a55-6a0f0e5f2b11")
        write("qemu_command_line", command.replace(" ", "\0").encode())
    running = {
        "domid": 3,
        "config": {
            "c_info": {"name": "web1", "uuid": "7f1c0a52-7a4e-4d0b-9a55-6a0f0e5f2b11"},
            "disks": [{"pdev_path": "/dev/vg0/web1", "vdev": "xvda", "backend": "phy", "is_cdrom": 0}],
            "nics": [{"devid": 0, "mac": "00:16:3e:00:00:01", "bridge": "br0", "ifname": "lan"}],
        },
    }
    write("xl_config", json.dumps([running, {"domid": 0}, {}]).encode())
    write(
        "xl_config", b"# a guest\nname = 'web' + \"1\"; memory=512\ndisk = ['/dev/vg0/a,raw,xvda,w', 'phy:/b,hda,r']\n"
    )
    write("xl_config", b'name="web2"\nvif=["mac=00:16:3e:00:00:02,bridge=br0,vifname=lan", "",]\nuuid="x\\n\\x41"\n')
    told = [(1, 7, b"1\02\0"), (2, 8, b"web1"), (16, 9, b"ENOENT\0"), (15, 0, b"/local/domain\0token\0")]
    messages = [struct.pack("=IIII", kind, request, 0, len(payload)) + payload for kind, request, payload in told]
    for sent in [*messages, b"".join(messages), struct.pack("=IIII", 2, 1, 0, 2**31)]:
        write("xenstore", b"\0\x11" + sent)
    for file in sorted((ROOT / "fixtures" / "solaris-kstat").glob("*.txt")):
        write("solaris_kstat", file.read_bytes()[:4000])


main()
texts()
