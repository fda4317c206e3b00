"""The host as a domain: its interfaces and whole disks."""

from pathlib import Path

from testkit.fixture_trees import XEN
from testkit.targets import targets
from vmiostat import Host, Roots
from vmiostat.counter_sources import BlockDevice
from vmiostat.discovery.host_itself import HostItself
from vmiostat.discovery.provider import ScanContext


def test_this_machine_s_interfaces_and_disks() -> None:
    (host,) = HostItself().scan(ScanContext(Roots())).domains
    lines = Path("/proc/net/dev").read_text().splitlines()[2:]
    assert targets(host.interfaces) == [line.rpartition(":")[0].strip() for line in lines]
    assert (host.name, host.type, host.id) == ("host", "host", None)
    with_sectors = {path.name for path in Path("/sys/block").iterdir() if int((path / "size").read_text())}
    assert set(targets(host.disks)) == with_sectors
    for disk in host.disks:
        assert isinstance(disk.counter_source, BlockDevice)
        number = Path(f"/sys/block/{disk.target}/dev").read_text().strip()
        assert number == f"{disk.counter_source.major}:{disk.counter_source.minor}"


def test_a_device_without_a_medium_is_left_out(tmp_path: Path) -> None:
    for name, size in (("sda", 100), ("loop0", 0)):
        folder = tmp_path / "sys/class/block" / name
        folder.mkdir(parents=True)
        (folder / "size").write_text(f"{size}\n")
        (folder / "dev").write_text("8:0\n")
    (host,) = HostItself().scan(ScanContext(Roots(tmp_path))).domains
    assert targets(host.disks) == ["sda"]


def test_unreadable_disks_are_a_problem_and_leave_the_interfaces() -> None:
    root = XEN / "instant-1"  # has no /sys/block
    found = HostItself().scan(ScanContext(Roots(root)))
    assert targets(found.domains[0].interfaces)[:3] == ["lo", "dummy0", "xenbr0"]
    assert found.domains[0].disks == ()
    assert len(found.problems) == 1
    # Where there are domains, the host itself is not one of them.
    assert [domain.name for domain in Host(root).domains()] == ["Domain-1", "Domain-2", "Domain-3"]


def test_partitions_hidden_paths_and_odd_names(tmp_path: Path) -> None:
    disks = {"sda": "8:0", "sda1": "8:1", "cciss!c0d0": "104:0", "nvme0c0n1": None, "md0": "9:x"}
    for name, number in disks.items():
        folder = tmp_path / "sys/class/block" / name
        folder.mkdir(parents=True)
        (folder / "size").write_text("100\n")
        if number is not None:
            (folder / "dev").write_text(f"{number}\n")
    (tmp_path / "sys/class/block/sda1/partition").write_text("1\n")
    (host,) = HostItself().scan(ScanContext(Roots(tmp_path))).domains
    assert [(disk.target, disk.source, disk.counter_source) for disk in host.disks] == [
        ("cciss/c0d0", "/dev/cciss/c0d0", BlockDevice(104, 0)),
        ("sda", "/dev/sda", BlockDevice(8, 0)),
    ]
