"""The plan that follows a host: a device that comes gets a row, one that goes loses it, all others go on."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from vmiostat.polling.plan import plan_rows
from vmiostat.polling.plan_diff import plan_diff

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmiostat import _core
    from vmiostat.errors import Error
    from vmiostat.model import Domain
    from vmiostat.qemu_stats.selection import QemuStats
    from vmiostat.watching.watch import Watch

    OnChange = Callable[[tuple[Domain, ...]], None]
    Select = Callable[[Domain], Domain | None]

FIRST_SCAN = 10.0
"""Seconds that a new poller waits for its first plan: a scan may hang."""


class FollowedPlan:
    """Keeps the rows of `opened` those of the domains that there are now.

    The watch's thread makes each new plan and opens what is new in it: polls go on with the old plan meanwhile. While
    the first scan hangs there are no rows, and `problems` say so. Raises what `select` raises in the first scan.
    """

    def __init__(
        self,
        opened: _core.Poller,
        watch: Callable[[OnChange], Watch],
        select: Select | None,
        queries: QemuStats | None,
    ) -> None:
        self.domains: tuple[Domain, ...] = ()
        """Those whose rows the current plan has, in the rows' order."""
        self._opened, self._select, self._queries = opened, select, queries
        # The thread must not keep alive a poller that everybody else has forgotten.
        replan = weakref.WeakMethod(self._replan)
        failed: list[Exception] = []
        planned = False

        def on_change(domains: tuple[Domain, ...]) -> None:
            if (now := replan()) is None:
                return
            try:
                now(domains)
            except Exception as error:
                if not planned:  # an exception keeps all that it passed through, the poller, too
                    failed.append(error)
                raise

        self.watch = watch(on_change)
        self.watch.wait(timeout=FIRST_SCAN)
        planned = True
        if failed:  # later ones are the watch's problems, and the plan stays as it was: here there is none
            self.close()
            raise failed.pop()

    @property
    def problems(self) -> tuple[Error, ...]:
        """What kept the newest scan from finding more."""
        return self.watch.problems

    def close(self) -> None:
        """Ends the watch."""
        self.watch.close()

    def _replan(self, domains: tuple[Domain, ...]) -> None:
        """Makes the plan of these domains the poller's. Called in the watch's thread."""
        if self._select is not None:
            domains = tuple(chosen for domain in domains if (chosen := self._select(domain)) is not None)
        if self._queries is not None:
            domains = tuple(self._queries.attach(domains))
        if domains == self.domains:
            self._opened.reopen()  # what is in no definition may have changed: a Xen guest has connected to its disk
        else:
            self._opened.replan(*plan_rows(domains), *plan_diff(self.domains, domains))
        self.domains = domains
