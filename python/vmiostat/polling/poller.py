"""A poller: it reads the counters of the rows of its plan, which is fixed or follows the host."""

from __future__ import annotations

import math
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, Self

from vmiostat import _core
from vmiostat.polling.followed_plan import FollowedPlan
from vmiostat.polling.plan import plan_rows

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Sequence

    from typing_extensions import Buffer

    from vmiostat._core import Explanation, Roots, Sample
    from vmiostat.counter_sources import InterfaceSource
    from vmiostat.errors import Error
    from vmiostat.model import Domain
    from vmiostat.polling.followed_plan import OnChange, Select
    from vmiostat.polling.plan import BlockRow, InterfaceRow
    from vmiostat.polling.written import Written
    from vmiostat.qemu_stats.selection import QemuStats
    from vmiostat.watching.watch import Watch


class Poll(Protocol):
    """The type of `Poller.poll`."""

    def __call__(self) -> Sample:
        """Read every row now, in one call.

        Returns
        -------
        Sample
            A table of block devices and one of interfaces, with the rows' names.

        Raises
        ------
        ValueError
            The poller is closed, or another process opened it (a fork).

        Notes
        -----
        A device that cannot be read costs its own row alone: the row's `state` says why.
        """


class PollInto(Protocol):
    """The type of `Poller.poll_into`."""

    def __call__(
        self,
        *,
        block: Buffer | None = None,
        interface: Buffer | None = None,
        block_size: int | None = None,
        interface_size: int | None = None,
    ) -> Written:
        """Read every row into memory of the caller; allocates nothing.

        Parameters
        ----------
        block, interface : writable buffer, optional
            At least rows x size bytes each: row n begins at byte n x size. Whole rows beyond those of the plan become
            `gone`, with -1 in every counter. A table without a buffer is not read.
        block_size, interface_size : int, optional
            Bytes of a row, from 0 to the size of the newest struct, which is the default (40 and 64 are those of
            libvirt).

        Returns
        -------
        Written
            The number of rows written in each table, and the number of their plan. While that stays the same, row n is
            the same row; the names for it are those of a sample with the same `plan`.

        Raises
        ------
        SizeError
            No version has such a size, or the buffer is too small for the rows that there are now.
        ValueError
            The poller is closed, or another process opened it (a fork).
        """


@dataclass(frozen=True, slots=True)
class FixedPlan:
    """A plan that stays as it is."""

    domains: tuple[Domain, ...] = ()
    problems: tuple[Error, ...] = ()
    watch: None = None

    def close(self) -> None:
        """Nothing is watched."""


_OWN = FixedPlan()
"""The plan of a poller that was made by hand."""


class Poller:
    """Keeps files and sockets open, and reads all counters in one call.

    `Host.poller` opens one for the current domains, `Host.follow` one that follows changes. Made by hand, it has a plan
    of your own.

    Parameters
    ----------
    roots : Roots
        Where the machine's /proc, /sys, /dev and /run are.
    block : sequence of (str, str, BlockCounterSource or str or None) or (..., {"disk", "total"})
        Each row's domain and device, and where its counters are. A device without counters has the state of its row:
        `unsupported` (or None), `denied`, `missing` or `unreadable`. A total is a row of
        all that a domain reads and writes.
    interface : sequence of (str, str, InterfaceCounterSource or str or None, bool)
        The same, and whether rx and tx are swapped.
    interface_source : {"auto", "proc", "sysfs", "netlink"}
        How interfaces are read; see docs/sources.md.
    pinned : bool
        A row is the one device that its counter source names by `index` or `diskseq`, and `gone` while another has its
        place. Else a row follows its name or number, and its generation goes up when another device has it.

    Raises
    ------
    TypeError, ValueError
        A row or an option is not of these. A device that cannot be opened costs its own row alone.

    Examples
    --------
    >>> from vmiostat import Host
    >>> with Host("fixtures/xen-4.17-real/instant-1").poller() as poller:
    ...     sample = poller.poll()
    ...     memory = bytearray(poller.block_rows * 40)
    ...     written = poller.poll_into(block=memory, block_size=40)
    >>> sample.block["Domain-1", "xvda"].rd_bytes, bytes(sample.block[0].v1) == memory[:40]
    (20197376, True)
    >>> written.block == len(sample.block), written.plan == sample.plan
    (True, True)

    Notes
    -----
    It may be used from several threads. In a fork of its process every call but `close` raises ValueError.
    """

    # These are methods of the core: a method in Python that calls them would add a tenth to the shortest poll.
    poll: Poll
    poll_into: PollInto

    __slots__ = {
        "__weakref__": None,
        "_core": None,
        "_on_close": None,
        "_plan": None,
        "_queries": None,
        "poll": Poll.__call__.__doc__,
        "poll_into": PollInto.__call__.__doc__,
    }

    def __init__(
        self,
        roots: Roots,
        block: Sequence[BlockRow],
        interface: Sequence[InterfaceRow],
        *,
        interface_source: InterfaceSource = "auto",
        pinned: bool = False,
    ) -> None:
        opened = _core.Poller(roots, block, interface, interface_source=interface_source, pinned=pinned)
        self._hold(opened, _OWN, None)

    def _hold(self, opened: _core.Poller, plan: FixedPlan | FollowedPlan, queries: QemuStats | None) -> None:
        self._core, self._plan, self._queries = opened, plan, queries
        for name in ("poll", "poll_into"):  # in the slots of this class, so that a subclass may have methods over them
            getattr(Poller, name).__set__(self, getattr(opened, name))
        self._on_close: set[Callable[[], None]] = set()
        if queries is not None:
            # Not at exit: the thread is a daemon, and QEMU needs no goodbye.
            weakref.finalize(self, queries.close).atexit = False

    @property
    def domains(self) -> tuple[Domain, ...]:
        """The domains of the plan, in the order of its rows (tuple of Domain); empty for a plan of your own."""
        return self._plan.domains

    @property
    def problems(self) -> tuple[Error, ...]:
        """What kept discovery from finding more (tuple of Error): in the last scan, or when a fixed plan was made."""
        return self._plan.problems

    @property
    def watch(self) -> Watch | None:
        """The Watch that the plan follows; None for a fixed plan."""
        return self._plan.watch

    @property
    def block_rows(self) -> int:
        """Rows of the block table."""
        return self._core.block_rows

    @property
    def interface_rows(self) -> int:
        """Rows of the interface table."""
        return self._core.interface_rows

    def samples(self, interval: float) -> AsyncGenerator[Sample]:
        """Poll at a steady pace in a program that runs on asyncio.

        Parameters
        ----------
        interval : float
            Seconds between two samples. Ticks are counted from the first one, and so do not drift; those that pass
            before the next sample is awaited are skipped.

        Returns
        -------
        asynchronous iterator of Sample
            The first one comes at once. The iterator ends when the poller is closed, in this thread or another.

        Raises
        ------
        ValueError
            The interval is not a number of seconds above 0.

        Examples
        --------
        >>> import asyncio
        >>> from vmiostat import Host
        >>> async def count(poller, enough):
        ...     number = 0
        ...     async for sample in poller.samples(0.01):
        ...         number += 1
        ...         if number == enough:
        ...             poller.close()
        ...     return number
        >>> asyncio.run(count(Host().poller(), 3))
        3

        Notes
        -----
        Polls run in the thread of the loop, since a poll waits for no device. Opening a poller may take long, and
        belongs in another thread: `poller = await asyncio.to_thread(host.follow)`.
        """
        if not 0 < interval < math.inf:
            raise ValueError(f"interval must be a number of seconds above 0, not {interval!r}")
        # Here, since asyncio takes long to import.
        from vmiostat.polling.samples import samples

        return samples(self.poll, lambda: self.closed, self._on_close, interval)

    def query(self, wait: float = 0.0) -> bool:
        """Query every QEMU of the plan now; the next polls have the answers that have come.

        Parameters
        ----------
        wait : float
            Seconds to wait for the answers.

        Returns
        -------
        bool
            Whether each has answered, or failed to, within that time. False where no `qemu_interval` was given.
        """
        return self._queries is not None and self._queries.query(wait)

    def problem(self, kind: Literal["block", "interface"], row: int, plan: int | None = None) -> OSError | None:
        """The error behind a row's state: why it is `gone`, `unreadable`, `denied` or `stale`.

        Parameters
        ----------
        kind : {"block", "interface"}
            Which table.
        row : int
            The row's number in it.
        plan : int, optional
            The `plan` of the sample in which the row has this number.

        Returns
        -------
        SourceError or None
            None where there is none, for a row that is not there, and where the poller has another plan by now.
        """
        return self._core.problem(kind, row, plan)

    def explain(self) -> list[Explanation]:
        """What a poll of this plan does, source by source; polls once."""
        return self._core.explain()

    def reopen(self) -> int:
        """Try again to open what could not be opened or is gone. Returns how many handles were opened."""
        return self._core.reopen()

    def replan(
        self,
        block: Sequence[BlockRow],
        interface: Sequence[InterfaceRow],
        carried_over_block: Sequence[int | None],
        carried_over_interface: Sequence[int | None],
    ) -> None:
        """Change the rows of a plan of your own.

        Rows that are carried over keep their row id, their open files and their generation; a new row gets an id and a
        generation above all earlier ones. A poll in another thread sees the one plan or the other, and does not wait
        while files are opened.

        Parameters
        ----------
        block, interface : sequence of rows
            As the poller was made with.
        carried_over_block, carried_over_interface : sequence of int or None
            For each new row the index of the old one that it continues, or None.

        Raises
        ------
        ValueError
            The plan is of a host's domains; or a row to carry over does not exist, or is carried over twice.
        """
        if self._plan is not _OWN:
            raise ValueError("this poller's plan is of a host's domains: replan() is for one that was made by hand")
        self._core.replan(block, interface, carried_over_block, carried_over_interface)

    def close(self) -> None:
        """End the watch and the queries, and close all handles after the polls that are under way."""
        self._plan.close()
        self._core.close()
        if self._queries is not None:
            self._queries.close()
        for wake in tuple(self._on_close):
            wake()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._core.closed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self._core)


def fixed_poller(
    roots: Roots,
    domains: Iterable[Domain],
    *,
    problems: tuple[Error, ...] = (),
    interface_source: InterfaceSource = "auto",
    queries: QemuStats | None = None,
) -> Poller:
    """A poller of these domains; takes over the queries."""
    try:
        domains = tuple(domains if queries is None else queries.attach(domains))
        opened = _core.Poller(roots, *plan_rows(domains), interface_source=interface_source)
        return _poller(opened, FixedPlan(domains, problems), queries)
    except BaseException:
        if queries is not None:
            queries.close()
        raise


def following_poller(
    roots: Roots,
    watch: Callable[[OnChange], Watch],
    *,
    select: Select | None = None,
    interface_source: InterfaceSource = "auto",
    queries: QemuStats | None = None,
) -> Poller:
    """A poller of the domains that `watch` finds; takes over the queries."""
    try:
        opened = _core.Poller(roots, [], [], interface_source=interface_source, pinned=True)
        try:
            return _poller(opened, FollowedPlan(opened, watch, select, queries), queries)
        except BaseException:
            opened.close()
            raise
    except BaseException:
        if queries is not None:
            queries.close()
        raise


def _poller(opened: _core.Poller, plan: FixedPlan | FollowedPlan, queries: QemuStats | None) -> Poller:
    poller = Poller.__new__(Poller)
    poller._hold(opened, plan, queries)
    return poller
