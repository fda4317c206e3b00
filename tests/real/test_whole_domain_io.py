"""What a process of the test's own reads and writes: counted to the byte, by the process and by its control group."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testkit.real.devices import Loop
from testkit.real.needs import need_devices, skip
from testkit.real.own_number import OWN_NUMBER
from vmiostat import BlockStats, Poller, Roots
from vmiostat.counter_sources import BlockCounterSource, CgroupIo, ProcessIo

BLOCK = 4096

_WORKER = """
import mmap, os, sys
memory = mmap.mmap(-1, 4096)
disk = os.open(sys.argv[1], os.O_RDWR | os.O_DIRECT)
for line in sys.stdin:
    kind, blocks = line.split()
    for block in range(int(blocks)):
        if kind == "write":
            os.pwritev(disk, [memory], block * 4096)
        else:
            os.preadv(disk, [memory], block * 4096)
    print("done", flush=True)
"""


class Worker:
    """A process that has read all of its program already, and from then on does only what it is told."""

    def __init__(self, disk: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _WORKER, disk], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.do("write", 8)  # of a file on a file system: from now on it has its blocks
        self.do("read", 1)

    def do(self, kind: str, blocks: int) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(kind, blocks, file=self.process.stdin, flush=True)
        assert self.process.stdout.readline() == "done\n"

    def end(self) -> None:
        self.process.communicate()


@contextmanager
def worker(disk: str) -> Iterator[Worker]:
    made = Worker(disk)
    try:
        yield made
    finally:
        made.end()


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    need_devices()
    with Loop(tmp_path / "disk") as made:
        yield made


def poller_of(counters: BlockCounterSource) -> Poller:
    return Poller(Roots(), [("vm1", "total", counters)], [])


def grown(poller: Poller, made: Worker) -> tuple[BlockStats, list[int]]:
    """The counters, and what 5 blocks read and 7 written added: to requests and bytes read, then to those written."""
    before = poller.poll().block[0]
    made.do("read", 5)
    made.do("write", 7)
    after = poller.poll().block[0]
    assert (before.state, after.state, before.generation, after.generation) == ("ok", "ok", 0, 0)
    return after, [now - then for now, then in zip(tuple(after)[:4], tuple(before)[:4], strict=True)]


def test_a_process_s_bytes_until_it_has_ended(loop: Loop) -> None:
    with worker(loop.path) as made, poller_of(ProcessIo(made.process.pid)) as poller:
        after, change = grown(poller, made)
        assert change == [0, 5 * BLOCK, 0, 7 * BLOCK]
        assert (after.rd_req, after.wr_req) == (-1, -1)
        made.end()
        gone = poller.poll().block[0]
        assert (gone.state, gone.wr_bytes) == ("gone", -1)
        problem = poller.problem("block", 0)
        assert problem is not None
        assert problem.filename == f"/proc/{made.process.pid}/io"


def test_another_user_s_process_says_what_it_takes(loop: Loop) -> None:
    """The file is opened as root and read as nobody: the kernel asks at each read."""
    with worker(loop.path) as made, poller_of(ProcessIo(made.process.pid)) as poller:
        os.seteuid(65534)
        try:
            stats = poller.poll().block[0]
        finally:
            os.seteuid(0)
        assert (stats.state, stats.wr_bytes) == ("denied", -1)
        assert isinstance(poller.problem("block", 0), PermissionError) or "denied" in str(poller.problem("block", 0))
        assert poller.poll().block[0].state == "ok"


@contextmanager
def own_group(parent: str) -> Iterator[Path]:
    """A control group of the test's own."""
    group = Path(parent) / f"vmiostat-test-{OWN_NUMBER}"
    try:
        group.mkdir()
    except OSError as error:
        skip(f"needs a control group of its own: {error}")
    try:
        yield group
    finally:
        group.rmdir()


@pytest.fixture
def file_on_a_disk(tmp_path: Path) -> Path:
    """A loop device will not do: it hands its requests on, and so is not summed."""
    need_devices()
    if os.major(tmp_path.stat().st_dev) == 0:
        pytest.skip(f"{tmp_path} is on no block device")
    (tmp_path / "disk").touch()
    return tmp_path / "disk"


def whole_disk(file: Path) -> str:
    """The number of the disk that it is on, of a partition its disk's."""
    device = file.stat().st_dev
    folder = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve()
    return ((folder.parent if (folder / "partition").exists() else folder) / "dev").read_text().strip()


def test_version_1_s_group(file_on_a_disk: Path) -> None:
    if not Path("/sys/fs/cgroup/blkio").is_dir():
        pytest.skip("the machine has no hierarchy of cgroup v1's blkio")
    with own_group("/sys/fs/cgroup/blkio") as group:
        limits = group / "blkio.throttle.write_bps_device"
        if not limits.exists():
            pytest.skip("the kernel has no throttling policy (CONFIG_BLK_DEV_THROTTLING)")
        # Since Linux 6.10 only disks with a limit are counted.
        limits.write_text(f"{whole_disk(file_on_a_disk)} 1000000000000")
        counted_to_the_byte(CgroupIo(str(group), 1), group, file_on_a_disk)


def test_version_2_s_group(file_on_a_disk: Path) -> None:
    with io_controller("/sys/fs/cgroup") as parent, own_group(parent) as group:
        counted_to_the_byte(CgroupIo(str(group), 2), group, file_on_a_disk)


@contextmanager
def io_controller(root: str) -> Iterator[str]:
    """Groups below the root have io.stat."""
    switch = Path(root) / "cgroup.subtree_control"
    if not switch.exists() or "io" not in (Path(root) / "cgroup.controllers").read_text().split():
        pytest.skip("the machine has no cgroup v2 with the io controller")
    was_on = "io" in switch.read_text().split()
    switch.write_text("+io")
    try:
        yield root
    finally:
        if not was_on:
            switch.write_text("-io")


def counted_to_the_byte(counters: CgroupIo, group: Path, file: Path) -> None:
    with worker(str(file)) as made:
        (group / "cgroup.procs").write_text(str(made.process.pid))
        made.do("write", 1)
        with poller_of(counters) as poller:
            # What the file system writes for its own sake may be counted here, too: then look again.
            assert [5, 5 * BLOCK, 7, 7 * BLOCK] in [grown(poller, made)[1] for _ in range(3)]
