"""Configuration files that a process names: which are read, and why others are not."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.real.needs import skip
from vmiostat import Roots
from vmiostat.errors import SourceError
from vmiostat.system.configuration_file import LIMIT, configuration_file


@pytest.fixture
def pid() -> Iterator[int]:
    """A process of another user."""
    if os.geteuid():
        skip("files of root's are made")
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, user=65534, group=65534, extra_groups=[]) as process:
        yield process.pid
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "qemu.conf"
    made.write_text("[drive]\n")
    made.chmod(0o644)
    return made


def why(pid: int, path: Path | str) -> str:
    with pytest.raises(SourceError) as raised:
        configuration_file(pid, str(path), Roots())
    return str(raised.value.strerror)


def test_a_file_of_root_is_read_also_through_links(pid: int, file: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(file)
    assert configuration_file(pid, str(file), Roots()) == "[drive]\n"
    assert configuration_file(pid, str(tmp_path / "link"), Roots()) == "[drive]\n"


def test_a_file_that_others_may_write_is_not_read(pid: int, file: Path) -> None:
    for mode in (0o664, 0o646):
        file.chmod(mode)
        assert why(pid, file) == "others than root may write it"
    file.chmod(0o644)
    os.chown(file, 65534, 65534)
    assert why(pid, file) == "others than root may write it"


def test_a_secret_of_root_is_read_only_for_root(pid: int, file: Path) -> None:
    file.chmod(0o600)
    assert why(pid, file) == "not everyone may read it"
    assert configuration_file(os.getpid(), str(file), Roots()) == "[drive]\n"


def test_only_regular_files_of_some_length_are_read(pid: int, file: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert why(pid, tmp_path / "fifo") == "it is no regular file"
    assert why(pid, "/dev/zero") == "it is no regular file"
    assert why(pid, tmp_path) == "it is no regular file"
    assert why(pid, "qemu.conf") == "its path is relative"
    file.write_bytes(bytes(LIMIT))
    assert len(configuration_file(pid, str(file), Roots())) == LIMIT
    file.write_bytes(bytes(LIMIT + 1))
    assert why(pid, file) == f"it is longer than {LIMIT} bytes"
