"""Anyone may make a folder in /dev/shm that is called like one of tapdisk's."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.real.needs import skip
from testkit.real.own_number import OWN_NUMBER
from vmiostat import Poller, Roots
from vmiostat.counter_sources import Tapdisk
from vmiostat.resolve.tapdisk_page import tapdisk_pid

NOBODY = 65534
DOMID, XVDA = 100_000_000 + OWN_NUMBER, 51712
STRANGERS, LINK, ROOTS_LINK, ROOTS = range(500_000_000 + 4 * OWN_NUMBER, 500_000_004 + 4 * OWN_NUMBER)
"""Pids that no process has: the kernel's highest is 4194304. No other test's process has the same ones."""


def folder(pid: int) -> Path:
    return Path(f"/dev/shm/td3-{pid}")


@pytest.fixture
def pages() -> Iterator[None]:
    if os.geteuid():
        skip("root's page is made")
    page = f"vbd-{DOMID}-{XVDA}"
    for pid in (STRANGERS, ROOTS_LINK, ROOTS):
        folder(pid).mkdir(mode=0o755)
    (folder(STRANGERS) / page).write_bytes(bytes(4096))
    for path in (folder(STRANGERS), folder(STRANGERS) / page):
        os.chown(path, NOBODY, NOBODY)
    (folder(ROOTS) / page).write_bytes(bytes(4096))
    folder(LINK).symlink_to(folder(ROOTS))
    (folder(ROOTS_LINK) / page).symlink_to(folder(ROOTS) / page)
    try:
        yield
    finally:
        folder(LINK).unlink()
        for pid in (STRANGERS, ROOTS_LINK, ROOTS):
            shutil.rmtree(folder(pid))


@pytest.mark.usefixtures("pages")
def test_only_roots_page_is_found() -> None:
    assert tapdisk_pid(DOMID, XVDA, Roots()) == ROOTS


@pytest.mark.usefixtures("pages")
@pytest.mark.parametrize("pid", [STRANGERS, LINK, ROOTS_LINK], ids=["a stranger's", "a link to it", "a link in it"])
def test_no_other_page_is_opened(pid: int) -> None:
    with Poller(Roots(), [("web1", "xvda", Tapdisk(pid, DOMID, XVDA))], []) as poller:
        assert poller.poll().block[0].state in ("unreadable", "gone")
        problem = str(poller.problem("block", 0))
    assert "not root's alone" in problem or "Not a directory" in problem or "not a regular file" in problem


@pytest.mark.usefixtures("pages")
def test_roots_page_is_opened() -> None:
    with Poller(Roots(), [("web1", "xvda", Tapdisk(ROOTS, DOMID, XVDA))], []) as poller:
        poller.poll()
        assert "tapdisk has not written its statistics yet" in str(poller.problem("block", 0))
