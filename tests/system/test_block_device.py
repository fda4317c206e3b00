"""The number of a block device by a path that another names, which may lead anywhere."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.real.devices import Loop
from testkit.real.needs import need_devices
from vmiostat import Disk, Domain, Roots
from vmiostat.counter_sources import BlockDevice
from vmiostat.resolve import resolve
from vmiostat.system import block_device
from vmiostat.system.block_device import device_number, device_number_seen_by
from vmiostat.system.probe import pool
from vmiostat.system.probe.pool import Probe


@pytest.fixture
def hanging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Probe]:
    """Whatever leaves /dev hangs."""
    probe = Probe(deadline=0.2)
    (tmp_path / "server.py").write_text(
        "import socket, time; end = socket.socket(fileno=0); end.send(b'x'); time.sleep(30)"
    )
    monkeypatch.setattr(pool, "_SERVER", tmp_path / "server.py")
    monkeypatch.setattr(block_device, "PROBE", probe)
    yield probe
    probe.close()


def test_a_path_that_leaves_dev_is_followed_by_a_helper_process(tmp_path: Path) -> None:
    need_devices()
    with Loop(tmp_path / "disk") as loop:
        (tmp_path / "link").symlink_to(loop.path)
        number = (loop.major, loop.minor)
        assert device_number(str(tmp_path / "link"), Roots()) == number
        assert device_number(str(tmp_path / "link"), Roots(dev="/dev")) == number
        assert device_number_seen_by(os.getpid(), str(tmp_path / "link"), Roots()) == number
        (tmp_path / "dev/below").mkdir(parents=True)
        os.mknod(tmp_path / "dev/node", 0o600 | 0o060000, os.makedev(*number))
        (tmp_path / "dev/below/link").symlink_to("/node")  # absolute: below the folder that takes the place of /dev
        assert device_number("/dev/below/link", Roots(dev=tmp_path / "dev")) == number
    assert device_number(str(tmp_path), Roots()) is None


def test_a_disk_on_a_hung_file_system_affects_its_own_row_only(hanging: Probe, tmp_path: Path) -> None:
    need_devices()
    with Loop(tmp_path / "disk") as loop:
        sources = ["/srv/hangs/disk", str(loop.path), f"/dev/shm/../{loop.path}"]
        disks = tuple(Disk(f"vd{number}", "block", source=source) for number, source in enumerate(sources))
        hung, *found = resolve(Domain("web1", id=1, type="kvm", disks=disks), Roots()).disks
    assert hung.counter_source is None
    assert hung.reason.startswith("/srv/hangs/disk cannot be opened: it has not answered in 0.2 s")
    for disk in found[:1]:
        assert isinstance(disk.counter_source, BlockDevice)
        assert (disk.counter_source.major, disk.counter_source.minor) == (loop.major, loop.minor)
