"""What a poll of many disks takes, beside Xen's own library, which xentop is made of: it opens each file each time.

Five hundred disks are too many for the lab. They are made: folders that are mounted, for one process, where the kernel
shows its backends. They belong to a real guest, since the library knows no others.
"""

import json
import sys
from collections import Counter
from pathlib import Path

import pytest

from testkit.measured import Measured
from tests.xen import dom0
from vmiostat import BlockStats

DISKS = 500
POLLS = 5

# In a process of its own, between two calls of getppid that mark it in a trace.
PROGRAM = """
import ctypes, json, os, resource, sys, time
from vmiostat import Poller, Roots
from vmiostat.counter_sources import XenVbd

way, polls, domid = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
names = [name for name in os.listdir("/sys/bus/xen-backend/devices") if name.startswith("vbd-")]

if way == "libxenstat":
    library = ctypes.CDLL("libxenstat.so.4.17")
    library.xenstat_init.restype = library.xenstat_get_node.restype = ctypes.c_void_p
    library.xenstat_domain_num_vbds.restype = ctypes.c_uint
    library.xenstat_node_domain.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(library.xenstat_init())
    XENSTAT_VBD = 8

    def poll():
        node = ctypes.c_void_p(library.xenstat_get_node(handle, XENSTAT_VBD))
        domain = ctypes.c_void_p(library.xenstat_node_domain(node, domid))
        found = library.xenstat_domain_num_vbds(domain)
        library.xenstat_free_node(node)
        return found
else:
    size = int(way)
    # Seven files a disk.
    resource.setrlimit(resource.RLIMIT_NOFILE, (16 * len(names) + 100,) * 2)
    rows = [("guest", name, XenVbd("vbd", *map(int, name.split("-")[1:]))) for name in names]
    poller = Poller(Roots("/"), rows, [])
    assert all(row.state == "ok" for row in poller.poll().block)
    memory = bytearray(size * len(rows))

    def poll():
        poller.poll_into(block=memory, block_size=size)
        return len(rows)

assert poll() >= len(names)
os.getppid()
started = time.perf_counter()
for _ in range(polls):
    poll()
took = time.perf_counter() - started
os.getppid()
print(json.dumps(took / polls))
"""


@pytest.fixture(scope="module")
def domid() -> int:
    return dom0.domid("vm1")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, domid: int) -> Path:
    """A folder like /sys/bus/xen-backend/devices with many disks of one guest."""
    folder = tmp_path_factory.mktemp("devices")
    for number in range(DISKS):
        statistics = folder / f"vbd-{domid}-{51712 + number}/statistics"
        statistics.mkdir(parents=True)
        for file in dom0.VBD_FILES:
            (statistics / file).write_text(f"{1000 + number}\n")
    return folder


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("nothing")


def run(way: str, devices: Path, domid: int, *before: object, polls: int = POLLS) -> float:
    """Polls these devices; the seconds that one poll took. `before` is what the command line begins with."""
    in_their_place = 'mount --bind "$0" /sys/bus/xen-backend/devices && exec "$@"'
    program = [*map(str, before), sys.executable, "-c", PROGRAM, way, str(polls), str(domid)]
    told: float = json.loads(dom0.run("unshare", "--mount", "sh", "-c", in_their_place, devices, *program))
    return told


def system_calls(way: str, devices: Path, domid: int, trace: Path) -> Counter[str]:
    """Those of one poll."""
    run(way, devices, domid, "strace", "-f", "-o", trace, polls=1)
    calls = [line.split("(")[0].split()[-1] for line in trace.read_text().splitlines() if "(" in line]
    first = calls.index("getppid")
    return Counter(calls[first + 1 : calls.index("getppid", first + 1)])


@pytest.mark.parametrize(("size", "files"), [(BlockStats.V1_SIZE, 5), (BlockStats.SIZE, 7)])
def test_a_poll_reads_each_file_once_and_does_nothing_else(
    made: Path, domid: int, tmp_path: Path, measured: Measured, size: int, files: int
) -> None:
    counted = system_calls(str(size), made, domid, tmp_path / "trace")
    measured(f"{size} bytes a disk: {counted.total() / DISKS:.2f} system calls a disk, {dict(counted)}")
    assert counted == {"pread64": files * DISKS}


@pytest.mark.timing
def test_a_poll_is_cheaper_than_libxenstats(
    made: Path, empty: Path, domid: int, tmp_path: Path, measured: Measured
) -> None:
    theirs = system_calls("libxenstat", made, domid, tmp_path / "theirs")
    # It also asks the hypervisor and the QEMUs, whatever the disks: that is not held against it.
    besides = system_calls("libxenstat", empty, domid, tmp_path / "besides")
    counted = theirs - besides
    measured(f"libxenstat: {counted.total() / DISKS:.2f} system calls a disk, {dict(counted)}")
    took = {str(size): run(str(size), made, domid) for size in (BlockStats.V1_SIZE, BlockStats.SIZE)}
    took["libxenstat"] = run("libxenstat", made, domid) - run("libxenstat", empty, domid)
    measured(
        f"{DISKS} disks: "
        + ", ".join(f"{way} {seconds * 1e3:.2f} ms" for way, seconds in took.items())
        + f": {took['libxenstat'] / took[str(BlockStats.V1_SIZE)]:.1f} and "
        f"{took['libxenstat'] / took[str(BlockStats.SIZE)]:.1f} times as fast"
    )
    assert counted.total() >= 3 * 5 * DISKS
    assert took["libxenstat"] > 2 * took[str(BlockStats.SIZE)]
