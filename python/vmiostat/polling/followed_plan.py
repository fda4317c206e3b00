"""A plan that follows a host: new devices get rows, removed ones lose them, all other rows continue."""

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
"""Seconds that opening waits for the first scan, which may hang."""


class FollowedPlan:
    """Keeps the rows of `opened` those of the current domains.

    The thread of the watch makes each new plan and opens what is new in it; polls continue with the old plan meanwhile.
    While the first scan hangs there are no rows, and `problems` says so. Raises what `select` raises in the first scan.
    """

    def __init__(
        self,
        opened: _core.Poller,
        watch: Callable[[OnChange], Watch],
        select: Select | None,
        queries: QemuStats | None,
    ) -> None:
        self.domains: tuple[Domain, ...] = ()
        """Those of the current plan, in the order of its rows."""
        self._opened, self._select, self._queries = opened, select, queries
        # A weak reference: the thread must not keep a poller alive that its owner has deleted.
        replan = weakref.WeakMethod(self._replan)
        failed: list[BaseException] = []
        planned = False

        def on_change(domains: tuple[Domain, ...]) -> None:
            if (now := replan()) is None:
                return
            try:
                now(domains)
            except BaseException as error:
                if not planned:  # not later: an exception keeps its frames alive, and so the poller
                    failed.append(error)
                raise

        self.watch = watch(on_change)
        self.watch.wait(timeout=FIRST_SCAN)
        planned = True
        if failed:  # later errors are problems of the watch, and the plan stays; now there is none
            self.close()
            raise failed.pop()

    @property
    def problems(self) -> tuple[Error, ...]:
        """What kept the last scan from finding more."""
        return self.watch.problems

    def close(self) -> None:
        """Ends the watch."""
        self.watch.close()

    def _replan(self, domains: tuple[Domain, ...]) -> None:
        """Replaces the plan with that of these domains. Called in the thread of the watch."""
        if self._select is not None:
            domains = tuple(chosen for domain in domains if (chosen := self._select(domain)) is not None)
        if self._queries is not None:
            domains = tuple(self._queries.attach(domains))
        if domains == self.domains and not self._opened.has_outgrown():
            self._opened.reopen()  # what no definition has may have changed: a Xen guest connected to its disk
        else:
            self._opened.replan(*plan_rows(domains), *plan_diff(self.domains, domains))
        self.domains = domains
