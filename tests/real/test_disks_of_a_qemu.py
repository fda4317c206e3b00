"""The disks of a real QEMU, however its command line names them: each is one row with the counters of its device."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testkit.real.devices import Loop
from testkit.real.needs import need_devices, need_program
from testkit.real.plain_qemu import QEMU
from testkit.until import until
from vmiostat import Disk, Host
from vmiostat.counter_sources import BlockDevice


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    need_devices()
    need_program(QEMU)
    with Loop(tmp_path / "disk") as made:
        yield made


@contextmanager
def qemu(*words: str, passed: tuple[int, ...] = ()) -> Iterator[int]:
    command = [QEMU, "-machine", "pc,accel=tcg", "-m", "16", "-S", "-display", "none", "-nodefaults", *words]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, pass_fds=passed) as process:
        try:
            yield process.pid
        finally:
            process.kill()


def disks(pid: int) -> tuple[Disk, ...]:
    machine = next((domain for domain in Host().domains() if domain.process and domain.process.pid == pid), None)
    return () if machine is None else machine.disks


def check_only_disk(pid: int, target: str, loop: Loop) -> None:
    """It is the loop device, once QEMU has opened it."""
    until(lambda: any(isinstance(disk.counter_source, BlockDevice) for disk in disks(pid)))
    (disk,) = disks(pid)
    assert disk.target == target
    assert isinstance(disk.counter_source, BlockDevice)
    assert (disk.counter_source.major, disk.counter_source.minor) == (loop.major, loop.minor)


def test_a_path_with_a_colon_that_is_a_link(loop: Loop, tmp_path: Path) -> None:
    (tmp_path / "web1:0").symlink_to(loop.path)
    with qemu(
        "-drive", f"file={tmp_path}/web1:0,format=raw,if=none,id=d0", "-device", "virtio-blk-pci,drive=d0"
    ) as pid:
        check_only_disk(pid, "d0", loop)


def test_a_file_name_among_the_options(loop: Loop) -> None:
    drive = f"file.driver=host_device,file.filename={loop.path},format=raw,if=virtio"
    with qemu("-drive", drive) as pid:
        check_only_disk(pid, "virtio0", loop)


def test_a_descriptor_that_is_handed_over(loop: Loop) -> None:
    descriptor = os.open(loop.path, os.O_RDWR)
    words = ["-add-fd", f"fd={descriptor},set=2", "-blockdev", "host_device,node-name=n0,filename=/dev/fdset/2",
             "-device", "virtio-blk-pci,drive=n0,id=d0"]  # fmt: skip
    try:
        with qemu(*words, passed=(descriptor,)) as pid:
            check_only_disk(pid, "d0", loop)
    finally:
        os.close(descriptor)


def test_a_device_with_the_variables_of_a_firmware_is_no_disk(loop: Loop, tmp_path: Path) -> None:
    (tmp_path / "code").write_bytes(bytes(64 << 10))
    words = ["-machine", "pc,accel=tcg,pflash0=code,pflash1=vars",
             "-blockdev", f"file,node-name=code,read-only=on,filename={tmp_path}/code",
             "-blockdev", f"host_device,node-name=vars,filename={loop.path}",
             "-drive", f"file={tmp_path}/disk,format=raw,if=none,id=d0,file.locking=off",
             "-device", "virtio-blk-pci,drive=d0"]  # fmt: skip
    with qemu(*words) as pid:
        until(lambda: any("loop" in str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()))
        assert [(disk.target, disk.type) for disk in disks(pid)] == [("d0", "file")]


def test_a_configuration_file(loop: Loop, tmp_path: Path) -> None:
    file = tmp_path / "qemu.conf"
    drive = f'file = "{loop.path}"\nformat = "raw"\nif = "none"'
    file.write_text(f'[drive "drive0"]\n{drive}\n[device "d0"]\ndriver = "virtio-blk-pci"\ndrive = "drive0"\n')
    with qemu("-readconfig", str(file)) as pid:
        check_only_disk(pid, "d0", loop)
