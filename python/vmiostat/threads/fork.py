"""What to do in the child of a fork, which has this process's memory and descriptors, but only one of its threads.

There, waiting for a lost thread, or for a lock that it held, would never end, and the descriptors are shared with the
parent. So each object that has a thread is closed in the child. (`vmiostat._core.Poller` raises an error there.)
"""

import os
from typing import Protocol
from weakref import WeakSet


class Forkable(Protocol):
    def forked(self) -> None:
        """Called in the child of a fork, before anything else runs there."""


def register_after_fork(forkable: Forkable) -> None:
    """Calls `forked` in each later fork of this process, as long as the object exists."""
    _registered.add(forkable)


_registered: "WeakSet[Forkable]" = WeakSet()


def _forked() -> None:
    for forkable in list(_registered):
        forkable.forked()


os.register_at_fork(after_in_child=_forked)
