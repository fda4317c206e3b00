"""Which layer counts a disk's requests under this kernel: what docs/sources.md says, and what vmiostat does with it."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.kernels.disks import disks
from tests.kernels.test_machine import run
from vmiostat import BlockStats, Host, Poller, Roots
from vmiostat.counter_sources import BlockDevice, CgroupIo

DOCS = Path(__file__).parents[2] / "docs/sources.md"
GROUPS = Path("/sys/fs/cgroup")
READS, SIZE = 4, 4096


def table() -> dict[str, tuple[str, str]]:
    """By kind of device: where it is counted under this kernel, and where for a control group."""
    text = DOCS.read_text().partition("## Which layer counts")[2].partition("\n## ")[0]
    header, _, *rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    (column,) = [at for at, name in enumerate(header) if name.split()[0] == os.environ["VMIOSTAT_KERNEL"]]
    return {row[0]: (row[column], row[-1]) for row in rows}


TABLE = table() if "VMIOSTAT_KERNEL" in os.environ else {}


@contextmanager
def plain(serial: str) -> Iterator[str]:
    yield disks(serial)[0]


@contextmanager
def device_mapper(table: str) -> Iterator[str]:
    run("dmsetup", "create", "layer", "--table", table.format(virtio=disks("virtio"), scsi=disks("scsi")))
    try:
        yield os.path.realpath(f"/sys/dev/block/{number('/dev/mapper/layer')}").rpartition("/")[2]
    finally:
        run("dmsetup", "remove", "--retry", "layer")


@contextmanager
def raid1() -> Iterator[str]:
    mirrored = [f"/dev/{disk}" for disk in disks("virtio") + disks("nvme")]
    run("mdadm", "--build", "/dev/md8", "--level=1", "--raid-devices=2", "--assume-clean", *mirrored)
    try:
        yield "md8"
    finally:
        run("mdadm", "--stop", "/dev/md8")


@contextmanager
def loop(over: Callable[[], str], *options: str) -> Iterator[str]:
    path = run("losetup", "-f", "--show", *options, over()).strip()
    try:
        yield path.removeprefix("/dev/")
    finally:
        run("losetup", "-d", path)


def a_file() -> str:
    path = Path("/tmp/layer")
    path.write_bytes(bytes(1 << 20))
    return str(path)


MULTIPATH = "0 131072 multipath 0 0 2 1 round-robin 0 1 1 /dev/{scsi[0]} 1 round-robin 0 1 1 /dev/{scsi[1]} 1"
KINDS: dict[str, Callable[[], AbstractContextManager[str]]] = {
    "virtio": partial(plain, "virtio"),
    "SCSI": partial(plain, "scsi"),
    "NVMe": partial(plain, "nvme"),
    "NVMe with several controllers": partial(plain, "nvme-shared"),
    "dm-linear (LVM)": partial(device_mapper, "0 1024 linear /dev/{virtio[0]} 0"),
    "dm-crypt": partial(device_mapper, f"0 1024 crypt aes-xts-plain64 {'0' * 64} 0 /dev/{{virtio[0]}} 0"),
    "dm-multipath": partial(device_mapper, MULTIPATH),
    "md RAID 1": raid1,
    "loop over a device": partial(loop, lambda: f"/dev/{disks('virtio')[0]}", "--direct-io=on"),
    "loop over a file": partial(loop, a_file),
}


def number(path: str) -> str:
    status = os.stat(path)  # noqa: PTH116
    return f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"


@pytest.fixture
def group() -> Iterator[Path]:
    if not (GROUPS / "cgroup.procs").exists():
        run("mount", "-t", "cgroup2", "none", GROUPS)
    (GROUPS / "cgroup.subtree_control").write_text("+io")
    made = GROUPS / "layer"
    made.mkdir()
    yield made
    made.rmdir()


def read(device: str, group: Path) -> None:
    """Reads in the name of this group, past the page cache."""
    word = (
        f"echo $$ > {group}/cgroup.procs && exec dd if=/dev/{device} of=/dev/null bs={SIZE} count={READS} iflag=direct"
    )
    subprocess.run(["sh", "-c", word], check=True, capture_output=True)


def counted(device: str) -> int:
    return int(Path(f"/sys/block/{device}/stat").read_text().split()[0])


def paths(device: str) -> list[str]:
    """The hidden disks below one of NVMe."""
    pattern = re.sub(r"n(\d+)$", r"c[0-9]*n\1", device)
    return [path.name for path in Path("/sys/block").glob(pattern) if path.name != device]


def layers(device: str, group: Path) -> str:
    """As the table says it."""
    counts = {one: counted(one) for one in [device, *paths(device)]}
    read(device, group)
    if counted(device) == counts.pop(device):
        return "its paths" if any(counted(path) > count for path, count in counts.items()) else "nothing"
    setting = Path(f"/sys/block/{device}/queue/iostats")
    was = setting.read_text()
    setting.write_text("0")
    try:
        before = counted(device)
        read(device, group)
        return "itself, always" if counted(device) > before else "itself"
    finally:
        setting.write_text(was)


def lines(group: Path) -> dict[str, int]:
    """The bytes read from each device, of io.stat."""
    found = {}
    for line in (group / "io.stat").read_text().splitlines():
        name, *words = line.split()
        found[name] = next((int(word[7:]) for word in words if word.startswith("rbytes=")), 0)
    return {name: count for name, count in found.items() if count}


def row(device: str) -> BlockStats:
    """Of a poller of the host, which reads a table of all disks or each one's file."""
    with Host().poller(host=True) as poller:
        return poller.poll().block["host", device]


def reason(device: str) -> str:
    (host,) = (domain for domain in Host().domains(host=True) if domain.name == "host")
    (disk,) = (disk for disk in host.disks if disk.target == device)
    return disk.reason


def test_the_table_is_of_the_devices_that_are_tested() -> None:
    assert list(TABLE) == list(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_which_layer_counts(kind: str, group: Path) -> None:
    expected, of_a_group = TABLE[kind]
    with ExitStack() as stack:
        device = stack.enter_context(KINDS[kind]())
        major, minor = (Path(f"/sys/block/{device}/dev").read_text()).strip().split(":")
        own = f"{major}:{minor}"
        poller = stack.enter_context(
            Poller(
                Roots(),
                [("vm", "disk", BlockDevice(int(major), int(minor))), ("vm", "total", CgroupIo(str(group)), "total")],
                [],
            )
        )
        # Whoever opens the device first reads its partition table.
        run("dd", f"if=/dev/{device}", "of=/dev/null", "bs=4k", "count=1", "iflag=direct")
        before, host_before = poller.poll().block, row(device)
        read(device, group)
        after, host_after = poller.poll().block, row(device)
        seen = lines(group)
        if expected == "its paths":
            assert host_after.state == "unsupported"
            assert "counts a multipath NVMe disk at its paths only" in reason(device)
        else:
            assert after[0].rd_req - before[0].rd_req >= READS
            assert (host_after.state, host_after.rd_bytes) == ("ok", after[0].rd_bytes)
            assert host_before.rd_bytes == before[0].rd_bytes
        below = sum(seen.values()) - seen.get(own, 0)
        where = {(True, True): "itself and below", (True, False): "itself", (False, True): "below"}
        assert where[own in seen, below > 0] == of_a_group
        # A loop over a file, whose reads no other device sees, is unknown and not 0.
        known = kind != "loop over a file"
        assert (after[1].rd_req, after[1].rd_bytes) == ((READS, READS * SIZE) if known else (-1, -1))
        assert layers(device, group) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_counters_are_said_to_be_off_where_they_stand_still(kind: str) -> None:
    expected, _ = TABLE[kind]
    with KINDS[kind]() as device:
        setting = Path(f"/sys/block/{device}/queue/iostats")
        was = setting.read_text()
        setting.write_text("0")
        try:
            assert ("its counters are off" in reason(device)) == (expected == "itself")
        finally:
            setting.write_text(was)
