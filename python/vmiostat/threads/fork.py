"""A fork of this process has its memory and its descriptors, and none of its threads but one.

So what a thread works for is over there: nobody may wait for the thread, nor for a lock that it may hold for ever, and
its descriptors are the first process's to read and to write. (`vmiostat._core.Poller` refuses to be used in a fork.)
"""

import os
from typing import Protocol
from weakref import WeakSet


class Forkable(Protocol):
    def forked(self) -> None:
        """Called in a fork, before anything else runs there."""


def register_after_fork(one: Forkable) -> None:
    """From now on it is told in each fork of this process, for as long as somebody holds it."""
    _all.add(one)


_all: "WeakSet[Forkable]" = WeakSet()


def _tell() -> None:
    for one in list(_all):
        one.forked()


os.register_at_fork(after_in_child=_tell)
