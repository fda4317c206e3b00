"""Samples at a steady pace, for a program that runs on asyncio."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from vmiostat._core import Sample
    from vmiostat.polling.poller import Poller


async def samples(poller: Poller, on_close: set[Callable[[], None]], interval: float) -> AsyncGenerator[Sample]:
    """See Poller.samples. Closing the poller calls what is in `on_close`."""
    loop = asyncio.get_running_loop()
    closed = asyncio.Event()

    def wake() -> None:
        with suppress(RuntimeError):  # the loop has ended, and so has whoever waited in it
            loop.call_soon_threadsafe(closed.set)

    on_close.add(wake)
    try:
        start, tick = loop.time(), 0
        while (sample := _poll(poller)) is not None:
            yield sample
            # Each tick is counted from the start, so that none drifts; those that have passed already are skipped.
            tick = max(tick + 1, math.ceil((loop.time() - start) / interval))
            with suppress(TimeoutError):
                async with asyncio.timeout_at(start + tick * interval):
                    await closed.wait()
    finally:
        on_close.discard(wake)


def _poll(poller: Poller) -> Sample | None:
    """None once it is closed."""
    try:
        return poller.poll()
    except ValueError:
        if poller.closed:
            return None
        raise
