"""An unprivileged user makes a system call of root hang, until the user's process is killed."""

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.until import until
from tests.kernels.hanging_fuse import Operation, hanging_fuse


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that an unprivileged user can reach; pytest's are root's."""
    folder = Path("/run/hanging")
    yield folder
    shutil.rmtree(folder)


def state(process: subprocess.Popen[bytes]) -> tuple[str, str]:
    """A process's state, and where it waits in the kernel."""
    folder = Path(f"/proc/{process.pid}")
    return (folder / "stat").read_text().rpartition(")")[2].split()[0], (folder / "wchan").read_text()


@pytest.mark.parametrize(
    ("operation", "words"),
    [(Operation.GETATTR, ["stat", "-L"]), (Operation.READ, ["head", "-c1"])],
    ids=["getattr", "read"],
)
def test_no_signal_ends_a_process_that_waits(folder: Path, operation: Operation, words: list[str]) -> None:
    with hanging_fuse(folder, operation) as hanging:
        command = [*words, str(hanging.descriptor)]
        subprocess.run(command, check=True, capture_output=True)
        hanging.hang()
        waiting = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: state(waiting)[1] == "request_wait_answer")
        waiting.kill()
        time.sleep(1)
        assert state(waiting) == ("D", "request_wait_answer")
    assert waiting.wait(20) == -signal.SIGKILL


def test_fuse_alone_refuses_root(folder: Path) -> None:
    with hanging_fuse(folder, Operation.GETATTR) as hanging, pytest.raises(PermissionError):
        (hanging.descriptor.parent / str(hanging.fuse)).stat()
