"""The disks of a real QEMU, however its command line names them: each is one row with the counters of its device."""

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testkit.real.devices import Loop
from testkit.real.needs import need_devices, need_program
from testkit.real.plain_qemu import QEMU
from testkit.until import until
from vmiostat import BlockStats, Disk, Host
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


@contextmanager
def block_source_qemu(pid: int) -> Iterator[Callable[[], dict[str, BlockStats]]]:
    """The rows of its disks, each once its query was answered."""
    domains = [domain for domain in Host().domains() if domain.process and domain.process.pid == pid]
    with Host().poller(domains, qemu_interval="on demand", block_source="qemu") as poller:

        def rows() -> dict[str, BlockStats]:
            assert poller.query(10.0)
            block = poller.poll().block
            found = zip(block.devices, block, block.kinds, strict=True)
            return {device: row for device, row, kind in found if kind == "disk"}

        yield rows


def execute(socket_path: Path, command: str, **arguments: object) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(socket_path))
        with client.makefile("rw") as stream:
            stream.readline()
            for number, words in enumerate(({"execute": "qmp_capabilities"}, {"execute": command})):
                stream.write(json.dumps(words | {"arguments": arguments if number else {}, "id": number}) + "\n")
                stream.flush()
                while (answer := json.loads(stream.readline())).get("id") != number:
                    pass
                assert "return" in answer, answer


@pytest.fixture
def link(loop: Loop) -> Iterator[Path]:
    path = Path(f"/dev/vmiostat-{os.getpid()}")
    path.symlink_to(Path(loop.path).name)
    yield path
    path.unlink()


def test_a_disk_that_was_plugged_in_by_a_link(loop: Loop, link: Path, tmp_path: Path) -> None:
    qmp = tmp_path / "qmp"
    words = ["-qmp", f"unix:{qmp},server=on,wait=off", "-device", "virtio-scsi-pci,id=bus"]
    with qemu(*words) as pid:
        until(lambda: succeeds(qmp, "query-status"))
        execute(qmp, "blockdev-add", driver="host_device", **{"node-name": "hot", "filename": str(link)})
        execute(qmp, "device_add", driver="scsi-hd", drive="hot", id="scsi1", bus="bus.0")
        check_only_disk(pid, str(loop.path), loop)
        with block_source_qemu(pid) as rows:
            (row,) = rows().values()
            # The kernel knows no flushes that failed, and QEMU no errors of the device.
            assert (row.state, row.fl_failed, row.errs) == ("ok", 0, -1)


def test_a_disk_that_was_moved(loop: Loop, tmp_path: Path) -> None:
    qmp = tmp_path / "qmp"
    words = ["-qmp", f"unix:{qmp},server=on,wait=off", "-blockdev", f"host_device,node-name=n0,filename={loop.path}",
             "-device", "virtio-blk-pci,drive=n0,id=d0"]  # fmt: skip
    with Loop(tmp_path / "other") as other, qemu(*words) as pid:
        until(lambda: succeeds(qmp, "query-status"))
        execute(qmp, "blockdev-add", driver="host_device", **{"node-name": "n1", "filename": str(other.path)})
        execute(qmp, "blockdev-mirror", device="n0", target="n1", sync="full", **{"job-id": "move"})
        until(lambda: succeeds(qmp, "job-complete", id="move"))
        until(lambda: str(other.path) in {disk.source for disk in disks(pid)})
        with block_source_qemu(pid) as rows:
            assert {row.state for row in rows().values()} == {"ok"}
            assert rows()["d0"].errs == -1


def succeeds(socket_path: Path, command: str, **arguments: object) -> bool:
    try:
        execute(socket_path, command, **arguments)
    except (AssertionError, OSError):
        return False
    return True


@pytest.mark.parametrize("through_a_descriptor", [False, True])
def test_a_device_without_an_id(loop: Loop, tmp_path: Path, through_a_descriptor: bool) -> None:
    qmp = tmp_path / "qmp"
    descriptor = os.open(loop.path, os.O_RDWR)
    path = "/dev/fdset/2" if through_a_descriptor else loop.path
    words = ["-qmp", f"unix:{qmp},server=on,wait=off", "-add-fd", f"fd={descriptor},set=2", "-blockdev",
             f"host_device,node-name=n0,filename={path}", "-device", "virtio-blk-pci,drive=n0"]  # fmt: skip
    try:
        with qemu(*words, passed=(descriptor,)) as pid:
            until(lambda: any(disk.target == "n0" for disk in disks(pid)))
            until(lambda: succeeds(qmp, "query-status"))
            with block_source_qemu(pid) as rows:
                assert rows()["n0"].state == "ok"
                assert rows()["n0"].errs == -1
    finally:
        os.close(descriptor)


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
