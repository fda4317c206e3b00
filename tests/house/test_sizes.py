"""Small files, and folders that can be taken in at a glance."""

import subprocess
from collections import Counter
from pathlib import PurePath

from tests.house.code import ROOT

LINES = 450
FILES = 16
"""In a folder, side by side."""


def tracked(*folders: str) -> list[PurePath]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *folders],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [PurePath(name) for name in listed.stdout.splitlines() if (ROOT / name).exists()]


def test_no_file_is_long() -> None:
    lines = {str(path): (ROOT / path).read_text().count("\n") for path in tracked("python/vmiostat", "rust")}
    assert lines
    assert {path: count for path, count in lines.items() if count > LINES} == {}


def test_no_folder_is_full() -> None:
    files = tracked("python", "rust", "tests", "testkit", "lab", "benches", "docs", "fuzz/python", "fuzz/src")
    folders = Counter(str(path.parent) for path in files)
    assert folders
    assert {folder: count for folder, count in folders.items() if count > FILES} == {}
