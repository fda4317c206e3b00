"""A poller whose plan has rows that are asked for beside it."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Self

from vmiostat._core import Poller

if TYPE_CHECKING:
    from vmiostat.askers.askers import Askers


class AskingPoller(Poller):
    """A Poller for disks that only their QEMU counts, too; made by `Host.poller(qemu_interval=...)`.

    A poll takes the newest answer that there is, with that answer's own time (`time_ns`), and waits for none. A row is
    `stale` before its first answer and when the last one has grown old; `problem` then tells what came of the question.
    """

    def __new__(cls, _askers: Askers, *plan: Any, **options: Any) -> Self:
        return super().__new__(cls, *plan, **options)

    def __init__(self, askers: Askers, *_plan: Any, **_options: Any) -> None:
        self._askers = askers
        self._end = weakref.finalize(self, askers.close)
        # The thread is a daemon, and what it asks need not hear that the process ends.
        self._end.atexit = False

    def ask(self, wait: float = 0.0) -> bool:
        """Asks every QEMU of the plan now; whether each has answered, or failed to, within `wait` seconds.

        The next polls have what is answered meanwhile.
        """
        return self._askers.ask(wait)

    def close(self) -> None:
        """Closes the handles, and asks no more."""
        super().close()
        self._end()

    def __exit__(self, *_error: object) -> None:
        self.close()
