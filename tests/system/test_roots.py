"""Small files and folders of a machine, where an absent one is an error and where it is none."""

import errno
from pathlib import Path

import pytest

from vmiostat import Roots, SourceError


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    (tmp_path / "sys/block/sda").mkdir(parents=True)
    (tmp_path / "sys/block/sda/size").write_text("100\n")
    (tmp_path / "sys/block/sda/dev").write_text("8:0\n")
    return Roots(tmp_path)


def test_a_file_and_a_folder(roots: Roots) -> None:
    assert roots.read("/sys/block/sda/size") == roots.read_or_none("/sys/block/sda/size") == b"100\n"
    assert roots.list("/sys/block/sda") == roots.list_or_empty("/sys/block/sda") == ["dev", "size"]


@pytest.mark.parametrize(
    ("path", "number"), [("/sys/block/sdb", errno.ENOENT), ("/sys/block/sda/size/below", errno.ENOTDIR)]
)
def test_an_absent_one(roots: Roots, path: str, number: int) -> None:
    assert roots.read_or_none(path) is None
    assert roots.list_or_empty(path) == []
    for read in (roots.read, roots.list):
        with pytest.raises(SourceError) as caught:
            read(path)
        assert caught.value.errno == number


def test_a_folder_is_no_file_and_a_file_no_folder(roots: Roots) -> None:
    assert roots.read_or_none("/sys/block/sda") is None
    assert roots.list_or_empty("/sys/block/sda/size") == []
