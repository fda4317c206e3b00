"""Samples at a steady pace, for a program that runs on asyncio."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from vmiostat._core import Sample


async def samples(
    poll: Callable[[], Sample], closed: Callable[[], bool], on_close: set[Callable[[], None]], interval: float
) -> AsyncGenerator[Sample]:
    """See Poller.samples. Closing the poller calls what is in `on_close`."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def wake() -> None:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(ended.set)

    on_close.add(wake)
    try:
        start, tick = loop.time(), 0
        interval = max(interval, 1e-9)  # the clock's unit: dividing by less can overflow
        while not closed():
            try:
                sample = poll()
            except ValueError:
                if closed():  # meanwhile, in another thread
                    return
                raise
            yield sample
            # Each tick is counted from the start, so that none drifts; those that have passed already are skipped.
            tick = max(tick + 1, math.ceil((loop.time() - start) / interval))
            with suppress(TimeoutError):
                async with asyncio.timeout_at(start + tick * interval):
                    await ended.wait()
    finally:
        on_close.discard(wake)
