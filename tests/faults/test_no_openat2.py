"""A captured machine where openat2 is refused: before Linux 5.6, under RestrictSUIDSGID= of systemd, in nspawn."""

import errno
import threading
from pathlib import Path

import pytest

from testkit.command import XEN
from testkit.identity.failing_calls import NUMBERS, fail_in_this_thread
from vmiostat import Host

pytestmark = pytest.mark.skipif(not NUMBERS, reason="no system call numbers of this machine")


def rows(root: Path) -> list[tuple[str, str, str, int]]:
    with Host(root).poller() as poller:
        block = poller.poll().block
        return [
            (domain, device, row.state, row.rd_bytes)
            for domain, device, row in zip(block.domains, block.devices, block, strict=True)
        ]


@pytest.mark.parametrize("error", [errno.ENOSYS, errno.EPERM])
def test_it_is_read_all_the_same(error: int) -> None:
    seen: list[list[tuple[str, str, str, int]]] = []

    def without_openat2() -> None:
        fail_in_this_thread({"openat2": error})
        seen.append(rows(XEN))

    thread = threading.Thread(target=without_openat2)
    thread.start()
    thread.join(60)
    assert seen == [rows(XEN)]
    assert any(state == "ok" for _, _, state, _ in seen[0])
