"""Makes the seeds of fuzz/corpus anew, from the fixtures and from what old and odd kernels print.

Run it as `python fuzz/seeds.py`. A seed's name is its hash, as libFuzzer's own are.
"""

import hashlib
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


main()
