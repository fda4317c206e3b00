"""The host as a domain: its interfaces and whole disks."""

from pathlib import Path

from vmiostat import Host, Roots
from vmiostat.counters import BlockDevice
from vmiostat.discovery import host_itself


def test_this_machine_s_interfaces_and_disks() -> None:
    (host,) = host_itself.domains(Roots()).domains
    lines = Path("/proc/net/dev").read_text().splitlines()[2:]
    assert host.interfaces == [line.rpartition(":")[0].strip() for line in lines]
    assert (host.name, host.type, host.id) == ("host", "host", None)
    with_sectors = {path.name for path in Path("/sys/block").iterdir() if int((path / "size").read_text())}
    assert set(host.block_devices) == with_sectors
    for disk in host.disks:
        assert isinstance(disk.counters, BlockDevice)
        number = Path(f"/sys/block/{disk.target}/dev").read_text().strip()
        assert number == f"{disk.counters.major}:{disk.counters.minor}"


def test_a_device_without_a_medium_is_left_out(tmp_path: Path) -> None:
    for name, size in (("sda", 100), ("loop0", 0)):
        folder = tmp_path / "sys/class/block" / name
        folder.mkdir(parents=True)
        (folder / "size").write_text(f"{size}\n")
        (folder / "dev").write_text("8:0\n")
    (host,) = host_itself.domains(Roots(tmp_path)).domains
    assert host.block_devices == ["sda"]


def test_what_cannot_be_read_costs_itself_alone() -> None:
    root = Path("fixtures/xen-4.17-real/instant-1")
    found = host_itself.domains(Roots(root))
    assert "xenbr0" in found.domains[0].interfaces
    host = Host(root)
    assert [domain.name for domain in host.domains()] == ["Domain-1", "Domain-2", "Domain-3"]
