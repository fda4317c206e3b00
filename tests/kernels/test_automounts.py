"""Whatever path a stranger names, root does not make autofs mount anything: that asks a daemon, which may never answer.

Protocol: Linux, Documentation/filesystems/autofs.rst.
"""

import ctypes
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernels.hanging_fuse import NOBODY
from tests.kernels.reports import COMMAND, QUERIED
from tests.kernels.test_machine import run
from tests.kernels.test_watchdog import DISK
from tests.kernels.vmms import listed, qemu

FOLDER = Path("/run/automounts")


@pytest.fixture
def requests() -> Iterator[int]:
    """Where the kernel's requests to mount something below FOLDER arrive. This process group may walk there freely."""
    run("modprobe", "fs-autofs")
    FOLDER.mkdir()
    reading, writing = os.pipe()
    options = f"fd={writing},pgrp={os.getpgrp()},minproto=5,maxproto=5,indirect"
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.mount(b"autofs", os.fsencode(FOLDER), b"autofs", 0, options.encode())
    assert done == 0, os.strerror(ctypes.get_errno())
    os.close(writing)
    yield reading
    run("umount", FOLDER)  # the kernel answers what was requested
    os.close(reading)
    FOLDER.rmdir()


def requested(requests: int) -> bool:
    return bool(select.select([requests], [], [], 0)[0])


def test_what_walking_there_would_do(requests: int) -> None:
    """The test would see it."""
    with subprocess.Popen([sys.executable, "-c", f"open('{FOLDER}/host/x')"], process_group=0, stderr=-3) as process:
        assert select.select([requests], [], [], 60)[0], "nothing was requested"
        process.kill()


def test_no_path_of_a_stranger_mounts_anything(requests: int) -> None:
    path = f"{FOLDER}/host/x"
    words = ["-qmp", f"unix:{path},server=on,wait=off", "-drive", f"file={path},format=raw,if=none,id=disk1"]
    words += ["-readconfig", path, "-blockdev", f"host_device,node-name=disk2,filename={path}", *DISK]
    with listed(), qemu("stranger", *words, user=NOBODY):
        for options in (["devices"], ["-y", "--json", *QUERIED, "0.5", "4"]):
            done = subprocess.run(
                [COMMAND, *options], capture_output=True, text=True, timeout=100, check=False, process_group=0
            )
            assert (done.returncode, "stranger" in done.stdout) == (0, True), done.stderr
            assert not requested(requests)
