"""A poller whose plan follows the host: a device that comes gets a row, one that goes loses it, all others go on."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Self

from vmiostat.polling.asking_poller import AskingPoller
from vmiostat.polling.plan import plan_rows
from vmiostat.polling.plan_diff import plan_diff

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmiostat._core import Roots
    from vmiostat.counter_sources import InterfaceSource
    from vmiostat.model import Domain
    from vmiostat.qemu_stats.selection import QemuStats
    from vmiostat.watching.watch import Watch

    Told = Callable[[tuple[Domain, ...]], None]
    Select = Callable[[Domain], Domain | None]

FIRST_LOOK = 10.0
"""Seconds that a new poller waits for its first plan: a look may hang."""


class FollowingPoller(AskingPoller):
    """A Poller that is told of changes, and asks where it is told to; made by `Host.poller(follow=True)`.

    Its watch's thread makes each new plan and opens what is new in it: polls go on with the old plan meanwhile, and a
    sample is wholly of one plan. A row that is the same device of the same run of its domain keeps its handle, its
    generation and its history. Any other is new, whatever it is called: its generation is higher than all before.
    """

    watch: Watch
    """What tells of changes; `watch.problems` are the newest look's."""
    domains: tuple[Domain, ...]
    """The domains whose rows the current plan has, in the rows' order."""
    _select: Select | None

    def __new__(
        cls,
        roots: Roots,
        watch: Callable[[Told], Watch],
        *,
        interface_source: InterfaceSource = "auto",
        select: Select | None = None,
        askers: QemuStats | None = None,
    ) -> Self:
        """`watch` makes a watch that tells each look's domains; the first look's are the first plan.

        While that look hangs there is none: no rows, and `watch.problems` say so. Raises what `select` raises in it.
        """
        self = super().__new__(cls, askers, roots, [], [], interface_source=interface_source, pinned=True)
        self.domains = ()
        self._select = select
        # The thread must not keep alive a poller that everybody else has forgotten.
        follow = weakref.WeakMethod(self._follow)

        failed: list[Exception] = []
        planned = False

        def told(domains: tuple[Domain, ...]) -> None:
            if (now := follow()) is None:
                return
            try:
                now(domains)
            except Exception as error:
                if not planned:  # an exception keeps all that it passed through, the poller, too
                    failed.append(error)
                raise

        self.watch = watch(told)
        self.watch.wait(timeout=FIRST_LOOK)
        planned = True
        if failed:  # later ones are the watch's problems, and the plan stays as it was: here there is none
            self.close()
            raise failed.pop()
        return self

    def _follow(self, domains: tuple[Domain, ...]) -> None:
        """Makes the plan of these domains the poller's. Called in the watch's thread."""
        if self._select is not None:
            domains = tuple(chosen for domain in domains if (chosen := self._select(domain)) is not None)
        if self._askers is not None:
            domains = tuple(self._askers.attach(domains))
        if domains == self.domains:
            self.reopen()  # what is in no definition may have changed: a Xen guest has connected to its disk
        else:
            self.replan(*plan_rows(domains), *plan_diff(self.domains, domains))
        self.domains = domains

    def close(self) -> None:
        """Ends the watch and the questions, and closes all handles."""
        self.watch.close()
        super().close()
