"""What counts all of a domain's I/O on made machines: its control group, its process, or nothing."""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from testkit.command import vmiostat
from testkit.targets import targets
from vmiostat import Disk, Domain, Host, NoCounters, Roots, UnknownDevice
from vmiostat.counter_sources import BlockDevice, CgroupIo, ProcessIo
from vmiostat.model import Process
from vmiostat.resolve.total import resolve_total

IO = "rchar: 9\nwchar: 9\nsyscr: 9\nsyscw: 9\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 0\n"
STAT = "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=30 dios=3\n"
FILLED = "8:0 Read 10\n8:0 Write 20\n8:0 Sync 30\n8:0 Async 0\n8:0 Total 30\nTotal 30\n"

SYSTEMD = r"/machine.slice/machine-qemu\x2d1\x2dvm1.scope"
PLAIN = "/machine/qemu-1-vm1.libvirt-qemu"

STARTED_AT_22 = f"70 (qemu-system-x86) S {' '.join(map(str, range(4, 53)))}\n"

PROCESS = Process(70)
Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def file(path: str, text: str) -> None:
        file_path = tmp_path / path.lstrip("/")
        file_path.parent.mkdir(parents=True, exist_ok=True)
        file_path.write_text(text)

    file("/proc/70/io", IO)
    return file


def run_vm1(write: Write) -> None:
    """The files of libvirt and the kernel for the domain that process 70 runs."""
    write("/proc/70/stat", STARTED_AT_22)
    write("/proc/70/cmdline", "qemu-system-x86_64\0-name\0guest=vm1\0")
    definition = "<domain type='kvm' id='1'><name>vm1</name></domain>"
    write("/run/libvirt/qemu/vm1.xml", f"<domstatus state='running' pid='70'>{definition}</domstatus>")


def domain(kind: str = "kvm", process: Process = PROCESS) -> Domain:
    return Domain("vm1", id=1, type=kind, process=process)


def total(tmp_path: Path, kind: str = "kvm", process: Process = PROCESS) -> Disk:
    found = resolve_total(domain(kind, process), Roots(tmp_path))
    assert found is not None
    assert (found.target, found.type, found.device) == ("total", "domain", "total")
    assert len(found.reason) > 40
    return found


@pytest.mark.parametrize(
    ("group", "own"),
    [
        (f"{SYSTEMD}/libvirt/emulator", SYSTEMD),
        (SYSTEMD, SYSTEMD),
        (f"{PLAIN}/emulator", PLAIN),
        ("/qemu.slice/100.scope", "/qemu.slice/100.scope"),
        (r"/machine.slice/machine-lxc\x2d5\x2dbox.scope/init.scope", r"/machine.slice/machine-lxc\x2d5\x2dbox.scope"),
        (
            f"/machine.slice/machine-outer.scope{SYSTEMD}/libvirt/emulator",
            f"/machine.slice/machine-outer.scope{SYSTEMD}",
        ),
    ],
)
@pytest.mark.parametrize("mount", ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/elsewhere"])
def test_version_2_s_group_is_the_whole_machine_s(
    group: str, own: str, mount: str, write: Write, tmp_path: Path
) -> None:
    write("/proc/self/mounts", f"proc /proc proc rw 0 0\ncgroup2 {mount} cgroup2 rw,nosuid 0 0\nodd line\n")
    write("/proc/70/cgroup", f"1:name=systemd:/other\n0::{group}\n")
    write(f"{mount}{group}/cgroup.procs", "70\n71\n")
    write(f"{mount}{own}/io.stat", STAT)
    assert total(tmp_path).counter_source == CgroupIo(f"{mount}{own}", 2)


def test_without_the_io_controller_the_process_is_read(write: Write, tmp_path: Path) -> None:
    write("/proc/70/cgroup", f"0::{SYSTEMD}/libvirt/emulator\n")
    write(f"/sys/fs/cgroup{SYSTEMD}/libvirt/emulator/cgroup.procs", "70\n")
    write("/sys/fs/cgroup/machine.slice/io.stat", STAT)  # of all machines
    found = total(tmp_path)
    assert found.counter_source == ProcessIo(70)
    assert "process 70" in found.reason


def test_version_1_only_where_it_is_filled_and_the_process_cannot_be_read(write: Write, tmp_path: Path) -> None:
    """It does not count I/O through the page cache, and on new kernels only disks with a limit."""
    write("/proc/70/cgroup", f"7:blkio:{PLAIN}\n1:cpu:{PLAIN}/emulator\n0::{PLAIN}/emulator\n")
    folder = f"/sys/fs/cgroup/blkio{PLAIN}"
    write(f"{folder}/cgroup.procs", "70\n")
    write(f"{folder}/blkio.throttle.io_service_bytes", FILLED)
    assert total(tmp_path).counter_source == ProcessIo(70)
    (tmp_path / "proc/70/io").unlink()
    assert total(tmp_path).counter_source == CgroupIo(folder, 1)
    write(f"{folder}/blkio.throttle.io_service_bytes_recursive", "Total 0\n")
    assert total(tmp_path).counter_source is None, "the file that is read must have the lines"


def test_version_1_where_it_is_mounted(write: Write, tmp_path: Path) -> None:
    write("/proc/self/mounts", "cgroup /run/groups/io cgroup rw,blkio 0 0\ncgroup /run/groups/cpu cgroup rw,cpu 0 0\n")
    write("/proc/70/cgroup", "7:cpuset,blkio:/machine.slice/machine-vm1.scope\n")
    (tmp_path / "proc/70/io").unlink()
    folder = "/run/groups/io/machine.slice/machine-vm1.scope"
    write(f"{folder}/cgroup.procs", "70\n")
    write(f"{folder}/blkio.throttle.io_service_bytes", FILLED)
    assert total(tmp_path).counter_source == CgroupIo(folder, 1)


@pytest.mark.parametrize(
    "group", ["/user.slice/user-0.slice/session-3.scope", "/system.slice/incus.service", "/vms/a", "/init.scope"]
)
def test_any_other_group_only_where_the_process_is_alone(group: str, write: Write, tmp_path: Path) -> None:
    write("/proc/70/cgroup", f"0::{group}\n")
    write(f"/sys/fs/cgroup{group}/io.stat", STAT)
    write(f"/sys/fs/cgroup{group}/cgroup.procs", "69\n70\n")
    assert total(tmp_path).counter_source == ProcessIo(70), "shared"
    write(f"/sys/fs/cgroup{group}/cgroup.procs", "70\n")
    assert total(tmp_path).counter_source == CgroupIo(f"/sys/fs/cgroup{group}", 2), "alone"
    write(f"/sys/fs/cgroup{group}/below/cgroup.procs", "")
    assert total(tmp_path).counter_source == ProcessIo(70), "a group below can hold others"


@pytest.mark.parametrize("group", ["/", "/../other.scope", "/../machine.slice/machine-a.scope", "", "machine-a.scope"])
def test_neither_the_root_group_nor_one_out_of_reach(group: str, write: Write, tmp_path: Path) -> None:
    write("/proc/70/cgroup", f"0::{group}\n")
    write("/sys/fs/cgroup/cgroup.procs", "70\n")
    write("/sys/fs/cgroup/io.stat", STAT)
    write("/sys/fs/machine.slice/machine-a.scope/cgroup.procs", "70\n")
    write("/sys/fs/machine.slice/machine-a.scope/io.stat", STAT)
    assert total(tmp_path).counter_source == ProcessIo(70)


@pytest.mark.parametrize("grouped", [False, True], ids=["process", "control group"])
def test_a_pid_that_another_process_got_leads_to_nothing(grouped: bool, write: Write, tmp_path: Path) -> None:
    """Process 70 started at 22. It ended during or after the scan, and another one has its pid."""
    write("/proc/70/stat", STARTED_AT_22)
    if grouped:
        write("/proc/70/cgroup", f"0::{SYSTEMD}\n")
        write(f"/sys/fs/cgroup{SYSTEMD}/cgroup.procs", "70\n")
        write(f"/sys/fs/cgroup{SYSTEMD}/io.stat", STAT)
    expected = CgroupIo(f"/sys/fs/cgroup{SYSTEMD}") if grouped else ProcessIo(70, 22)
    assert total(tmp_path, process=Process(70, 22)).counter_source == expected
    assert total(tmp_path, process=Process(70)).counter_source == expected
    found = total(tmp_path, process=Process(70, 21))
    assert found.counter_source is None
    assert found.reason == "process 70 has ended while this was looked up; another one may have its pid"


def test_a_container_is_more_than_one_process(write: Write, tmp_path: Path) -> None:
    write("/proc/70/cgroup", "0::/machine.slice/machine-lxc-1.scope\n")
    found = total(tmp_path, "lxc")
    assert found.counter_source is None
    assert "no control group of its own counts its I/O" in found.reason
    write("/proc/70/cgroup", "7:blkio:/machine.slice/machine-lxc-1.scope\n")
    folder = "/sys/fs/cgroup/blkio/machine.slice/machine-lxc-1.scope"
    write(f"{folder}/cgroup.procs", "70\n71\n")
    write(f"{folder}/blkio.throttle.io_service_bytes_recursive", FILLED)
    assert total(tmp_path, "lxc").counter_source == CgroupIo(folder, 1)


def test_a_domain_without_a_process_for_its_io_has_no_total(write: Write, tmp_path: Path) -> None:
    roots = Roots(tmp_path)
    assert resolve_total(Domain("host", type="host"), roots) is None
    assert resolve_total(domain("xen"), roots) is None


def test_what_discovery_has_set_is_kept(tmp_path: Path) -> None:
    own = Disk("total", type="domain", device="total", counter_source=ProcessIo(3))
    made = Domain("vm1", type="kvm", process=Process(70), total=own)
    assert resolve_total(made, Roots(tmp_path)) is own


def test_why_a_process_cannot_be_read(write: Write, tmp_path: Path) -> None:
    (tmp_path / "proc/70/io").unlink()
    assert "this kernel does not count a process's I/O" in total(tmp_path).reason
    (tmp_path / "proc/70").rmdir()
    assert total(tmp_path).reason.endswith("/proc/70/io cannot be read: No such file or directory")


def test_another_user_s_process_says_what_it_takes() -> None:
    """On this machine: a process of root, read as nobody."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to be nobody")
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as cat:
        os.seteuid(65534)
        try:
            found = resolve_total(Domain("vm1", type="kvm", process=Process(cat.pid)), Roots())
        finally:
            os.seteuid(0)
        assert found is not None
        assert found.counter_source is None
        assert f"reading /proc/{cat.pid}/io takes root or CAP_SYS_PTRACE" in found.reason


def test_hostile_files_affect_only_the_total(write: Write, tmp_path: Path) -> None:
    for text in ("\0\xff::\n", "0", "0:", "0::", ":::::", "7:blkio", "7:blkio:\n\n\n", "0::/\udcff"):
        (tmp_path / "proc/70/cgroup").write_bytes(text.encode("utf-8", "surrogateescape"))
        assert total(tmp_path).counter_source == ProcessIo(70)
    (tmp_path / "proc/70/io").unlink()
    (tmp_path / "proc/70/io").mkdir()
    assert total(tmp_path).counter_source is None


def test_the_whole_way_to_a_number(write: Write, tmp_path: Path) -> None:
    run_vm1(write)
    write("/proc/70/cgroup", f"0::{SYSTEMD}/libvirt/emulator\n")
    write(f"/sys/fs/cgroup{SYSTEMD}/libvirt/emulator/cgroup.procs", "70\n")
    write(f"/sys/fs/cgroup{SYSTEMD}/io.stat", STAT)
    host = Host(tmp_path)
    vm1 = host.domain("vm1")
    for path in ("total", ""):  # the second is libvirt's
        assert tuple(vm1.block_stats(path, size=40)) == (1, 10, 2, 20, -1)
    assert targets(vm1.disks) == []
    with host.poller() as poller:
        sample = poller.poll()
    assert (sample.block.domains, sample.block.devices) == (("vm1",), ("total",))
    assert sample.block["vm1", "total"].ds_bytes == 30


def test_the_command_shows_the_row_among_the_block_devices(write: Write, tmp_path: Path) -> None:
    run_vm1(write)
    write("/proc/2/stat", "2 (kthreadd) S 0 0 0 0 -1 2129984 0\n")  # this /proc shows every process
    text = vmiostat("devices", "--root", tmp_path)
    assert "  total  domain total\n         counters: process 70\n         the bytes that process 70 reads" in text
    (found,) = map(json.loads, vmiostat("devices", "--json", "--root", tmp_path).splitlines())
    assert [(disk["device"], disk["kind"], disk["counter_source"], disk["state"]) for disk in found["block"]] == [
        ("total", "total", "process 70", "ok")
    ]
    assert "  no devices" in vmiostat("devices", "--root", tmp_path, "-i")
    (report,) = map(json.loads, vmiostat("--json", "--root", tmp_path).splitlines())
    (row,) = report["block"]
    assert (row["device"], row["counters"]["wr_bytes"], row["counters"]["wr_req"]) == ("total", 8192, None)


def test_a_domain_without_one_says_so(write: Write, tmp_path: Path) -> None:
    host = Host(tmp_path)
    (alone,) = host.domains()
    with pytest.raises(UnknownDevice, match="'total'"):
        alone.block_stats("total")


def test_a_total_that_nothing_counts_says_why(write: Write, tmp_path: Path) -> None:
    (tmp_path / "proc/70/io").unlink()
    run_vm1(write)
    with pytest.raises(NoCounters, match="vm1 total: no control group of its own counts its I/O"):
        Host(tmp_path).domain("vm1").block_stats("")


@pytest.mark.parametrize(
    "files",
    [
        {"7:3/loop/backing_file": "/a\n", "7:3/loop/dio": "0\n"},
        {"7:3/slaves/md5/md/level": "raid5\n"},
        {"7:3/slaves/sda1/partition": "1\n", "7:3/slaves/loop/backing_file": "/a\n"},
    ],
    ids=["buffered loop", "RAID 5 below", "loop with partitions below"],
)
def test_a_process_is_preferred_where_a_kernel_thread_writes(
    files: dict[str, str], write: Write, tmp_path: Path
) -> None:
    group(write, f"{SYSTEMD}/libvirt/emulator", SYSTEMD)
    for path, text in files.items():
        write(f"/sys/dev/block/{path}", text)
    disks = (Disk("vda", counter_source=BlockDevice(7, 3)),)
    found = resolve_total(replace(domain(), disks=disks), Roots(tmp_path))
    assert found is not None
    assert found.counter_source == ProcessIo(70)
    assert "does not count the writes of device 7:3" in found.reason
    container = resolve_total(replace(domain("lxc"), disks=disks), Roots(tmp_path))
    assert container is not None
    assert isinstance(container.counter_source, CgroupIo)
    assert "does not count the writes of device 7:3" in container.reason


def test_a_loop_with_direct_io_writes_for_the_group(write: Write, tmp_path: Path) -> None:
    group(write, f"{SYSTEMD}/libvirt/emulator", SYSTEMD)
    write("/sys/dev/block/7:3/loop/backing_file", "/a\n")
    write("/sys/dev/block/7:3/loop/dio", "1\n")
    found = resolve_total(replace(domain(), disks=(Disk("vda", counter_source=BlockDevice(7, 3)),)), Roots(tmp_path))
    assert found is not None
    assert isinstance(found.counter_source, CgroupIo)


def group(write: Write, path: str, own: str) -> None:
    write("/proc/70/cgroup", f"0::{path}\n")
    write(f"/sys/fs/cgroup{path}/cgroup.procs", "70\n")
    write(f"/sys/fs/cgroup{own}/io.stat", STAT)
