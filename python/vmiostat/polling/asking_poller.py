"""A poller whose plan has rows that are asked for beside it."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Self

from vmiostat._core import Poller

if TYPE_CHECKING:
    from vmiostat.qemu_stats.selection import QemuStats


class AskingPoller(Poller):
    """A Poller for disks that only their QEMU counts, too; made by `Host.poller(qemu_interval=...)`.

    A poll takes the newest answer that there is, with that answer's own time (`time_ns`), and waits for none. A row is
    `stale` before its first answer and when the last one has grown old; `problem` then tells what came of the question.
    """

    _askers: QemuStats | None

    def __new__(cls, askers: QemuStats | None, *plan: Any, **options: Any) -> Self:
        self = super().__new__(cls, *plan, **options)
        self._askers = askers
        if askers is not None:
            # The thread is a daemon, and what it asks need not hear that the process ends.
            weakref.finalize(self, askers.close).atexit = False
        return self

    def ask(self, wait: float = 0.0) -> bool:
        """Asks every QEMU of the plan now; whether each has answered, or failed to, within `wait` seconds.

        The next polls have what is answered meanwhile. False where no `qemu_interval` was given, and so none is asked.
        """
        return self._askers is not None and self._askers.query(wait)

    def close(self) -> None:
        """Closes the handles, and asks no more."""
        super().close()
        if self._askers is not None:
            self._askers.close()

    def __exit__(self, *_error: object) -> None:
        self.close()
