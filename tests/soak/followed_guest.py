"""A guest that a poller follows, and whose QEMU it queries: interfaces appear and disappear, QEMU is stopped and
restarted.
"""

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from testkit.trees.libvirt import LibvirtTree
from vmiostat import Domain, Host, Sample

NAME = "followed"
DISK = (
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/images/a.qcow2'/>"
    "<target dev='vda' bus='virtio'/><alias name='virtio-disk0'/></disk>"
)
ROOT = Path(__file__).parents[2]

RUN = 12.0
"""Seconds that a QEMU runs."""
STOPPED = (5.0, 9.0)
"""From when to when in a run it stands still: long enough to be overdue, and for its answers to be stale."""


class FollowedGuest:
    """Its poller follows from the start on. Interfaces are of the network namespace that `sys` shows."""

    def __init__(self, folder: Path, sys: Path, stays: str) -> None:
        self._stays = stays
        self._tree = LibvirtTree(folder / "machine")
        self._socket = folder / "qmp"
        self._begun = time.monotonic()
        self._run = 0
        self._qemu = self._started()
        self.stopped = False
        self._has(())
        # What is looked for every 10 seconds else is looked for five times as often.
        self.poller = Host(run=self._tree.root / "run", sys=sys).follow(
            interval=2.0, select=_only_this, qemu_interval=0.25
        )

    def round(self, *nics: str) -> None:
        """It has these interfaces now, besides the one that stays."""
        run, seconds = divmod(time.monotonic() - self._begun, RUN)
        stopped = STOPPED[0] <= seconds < STOPPED[1]
        if run != self._run:
            self._end()
            self._run, self._qemu, self.stopped = int(run), self._started(), False
        elif stopped != self.stopped:
            self._qemu.send_signal(signal.SIGSTOP if stopped else signal.SIGCONT)
            self.stopped = stopped
        self._has(nics)

    def check(self, sample: Sample, frames: int) -> "Counter[str]":
        """The interface that stays has the right numbers; the states of the disk, and of the interfaces that do not."""
        if NAME not in sample.interface.domains:  # it has ended, and was not restarted yet
            return Counter(["ended"])
        stays = sample.interface[NAME, self._stays]
        assert stays.state == "ok", stays
        assert stays.tx_packets >= frames, stays
        states = Counter(row.state for row in sample.interface if row != stays)
        assert set(states) <= {"ok", "gone"}, states
        disk = sample.block[NAME, "vda"]
        assert disk.state in ("ok", "stale"), disk
        assert disk.state == "stale" or disk.rd_req >= 0, disk
        states[f"disk {disk.state}"] += 1
        return states

    def close(self) -> None:
        self.poller.close()
        self._end()

    def _has(self, nics: Sequence[str]) -> None:
        nics = (self._stays, *nics)
        self._tree.start(NAME, nics, number=self._run + 1, pid=self._qemu.pid, disks=[DISK])

    def _started(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "tests.soak.qemu", "-qmp", f"unix:{self._socket},server=on,wait=off"]
        qemu = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert qemu.stdout is not None
        assert qemu.stdout.readline() == b"listening\n"
        return qemu

    def _end(self) -> None:
        self._qemu.kill()
        self._qemu.communicate()


def _only_this(domain: Domain) -> Domain | None:
    """This machine may have other guests."""
    return domain if domain.name == NAME else None
