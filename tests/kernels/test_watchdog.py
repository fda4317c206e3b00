"""Whatever path a stranger names, root opens no watchdog: that would start it, and reset the machine."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.kernels.hanging_fuse import NOBODY
from tests.kernels.reports import once, reported, reporting
from tests.kernels.test_machine import run
from tests.kernels.vmms import listed, qemu

pytestmark = pytest.mark.timeout(220)

DISK = ("-drive", "file=/srv/disk.qcow2,format=qcow2,if=none,id=disk0")
"""One that only QEMU counts."""


@pytest.fixture
def watchdogs() -> Iterator[list[Path]]:
    run("modprobe", "i6300esb", "nowayout=1")
    run("modprobe", "softdog", "nowayout=1", "soft_margin=20")
    yield list(Path("/sys/class/watchdog").iterdir())
    run("modprobe", "-r", "-a", "i6300esb", "softdog")


def states(watchdogs: list[Path]) -> list[str]:
    return [(watchdog / "state").read_text().strip() for watchdog in watchdogs]


def test_what_opening_it_would_do(watchdogs: list[Path]) -> None:
    """The test would see it."""
    assert states(watchdogs) == ["inactive", "inactive"]
    run("modprobe", "-r", "softdog")
    run("modprobe", "softdog", "soft_margin=3600")
    softdog = next(
        found for found in Path("/sys/class/watchdog").iterdir() if "Soft" in (found / "identity").read_text()
    )
    with Path(f"/dev/{softdog.name}").open("wb", buffering=0) as opened:
        assert states([softdog]) == ["active"]
        opened.write(b"V")  # stops it
    assert states([softdog]) == ["inactive"]


def test_no_path_of_a_stranger_starts_one(watchdogs: list[Path]) -> None:
    folder = Path("/run/strangers")
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    (folder / "link").symlink_to("/dev/watchdog")
    (folder / "folder").symlink_to("/dev")
    page = Path("/dev/shm/td3-1")
    page.mkdir()
    (page / "vbd-5-51712").symlink_to("/dev/watchdog")
    os.chown(page, NOBODY, NOBODY)
    Path("/dev/shm/td3-2").symlink_to("/dev")
    Path("/dev/shm/td3-3").symlink_to("/dev/watchdog")
    sys = folder / "sys"
    vbd = sys / "bus/xen-backend/devices/vbd3-5-51712"
    vbd.mkdir(parents=True)
    opened = os.open("/dev/watchdog0", os.O_PATH)
    paths = ["/dev/watchdog", "/dev/watchdog0", "/dev/watchdog1", f"{folder}/link", f"{folder}/folder/watchdog"]
    with ExitStack() as running:
        running.enter_context(listed())
        listener = running.enter_context(socket.socket(socket.AF_UNIX))  # so that a QMP socket may be theirs
        listener.bind(str(folder / "socket"))
        listener.listen()
        for number, path in enumerate([f"{path}{below}" for path in paths for below in ("", "/x")]):
            words = ["-qmp", f"unix:{path},server=on,wait=off", "-netdev", f"tap,id=net0,ifname={path}", *DISK]
            words += ["-drive", f"file={path},format=raw,if=none,id=disk1"]
            words += ["-blockdev", f"host_device,node-name=disk2,filename={path}"]
            files = [opened, listener.fileno()]
            running.enter_context(qemu(f"stranger{number}", *words, user=NOBODY - number, files=files))
        done = once("devices")
        assert (done.returncode, "stranger9" in done.stdout) == (0, True), done.stderr
        done = once("devices", "--sys", str(sys))
        assert (done.returncode, "vbd3-5-51712" in done.stdout) == (0, True), (done.stdout, done.stderr)
        reports = running.enter_context(reporting("--sys", str(sys)))
        reported(lambda: len(reports.lines) >= 5)
    os.close(opened)
    assert states(watchdogs) == ["inactive", "inactive"]
