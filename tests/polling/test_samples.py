"""Samples for asyncio: at a steady pace, and with a clean end."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from testkit.until import until
from testkit.watches import watch_threads
from vmiostat import Domain, Host, Poller, Roots, Sample

LONG = 3600.0
"""Seconds that no test waits for."""


class FastLoop(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to the next timer instead of waiting for it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        selector: Any = self._selector  # type: ignore[attr-defined]
        ready = selector.select

        def select(timeout: float | None) -> object:
            self.now += timeout or 0.0
            return ready(0 if timeout is not None else None)

        selector.select = select

    def time(self) -> float:
        return self.now


@pytest.fixture
def poller() -> Iterator[Poller]:
    with Poller(Roots(), [], []) as poller:
        yield poller


async def times(poller: Poller, interval: float, work: list[float]) -> list[float]:
    """When each sample came; the work on each takes these seconds."""
    loop, seen = asyncio.get_running_loop(), []
    start = loop.time()
    async for sample in poller.samples(interval):
        assert len(sample.block) == len(sample.interface) == 0
        seen.append(round(loop.time() - start, 6))
        if len(seen) == len(work):
            break
        await asyncio.sleep(work[len(seen) - 1])
    return seen


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        ([0.0] * 5, [0.0, 0.25, 0.5, 0.75, 1.0]),
        ([0.1, 0.2, 0.01, 0.24, 0.0], [0.0, 0.25, 0.5, 0.75, 1.0]),
        ([0.6, 0.0, 0.3, 0.0, 0.0], [0.0, 0.75, 1.0, 1.5, 1.75]),
    ],
    ids=["no work", "work in between", "work that takes longer than an interval"],
)
def test_ticks_do_not_drift_and_missed_ones_are_skipped(
    work: list[float], expected: list[float], poller: Poller
) -> None:
    with asyncio.Runner(loop_factory=FastLoop) as runner:
        assert runner.run(times(poller, 0.25, work)) == expected


def test_other_tasks_run_between_samples_that_are_always_late(poller: Poller) -> None:
    async def run() -> int:
        iterations = 0

        async def others() -> None:
            nonlocal iterations
            while True:
                iterations += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(others())
        number = 0
        async for _ in poller.samples(1e-9):
            number += 1
            if number == 100:
                break
        task.cancel()
        return iterations

    assert asyncio.run(run()) >= 99


def in_a_task(poller: Poller, then: Callable[["asyncio.Task[int]"], Awaitable[object]]) -> int:
    """How many samples a task got that waits for its second one until `then` ends it."""

    async def run() -> int:
        first = asyncio.Event()
        samples: list[Sample] = []

        async def consume() -> int:
            async for sample in poller.samples(LONG):
                samples.append(sample)
                first.set()
            return len(samples)

        task = asyncio.create_task(consume())
        await first.wait()
        await asyncio.sleep(0.01)
        await then(task)
        return await asyncio.wait_for(task, 10)

    return asyncio.run(run())


def test_closing_the_poller_ends_it(poller: Poller) -> None:
    async def close(_task: object) -> None:
        poller.close()

    assert in_a_task(poller, close) == 1
    assert in_a_task_of_closed(poller) == 0


def in_a_task_of_closed(poller: Poller) -> int:
    async def run() -> int:
        return len([sample async for sample in poller.samples(LONG)])

    return asyncio.run(run())


def test_closing_it_in_another_thread_ends_it_too(poller: Poller) -> None:
    async def close(_task: object) -> None:
        threading.Thread(target=poller.close).start()

    assert in_a_task(poller, close) == 1


def test_a_task_that_is_cancelled_ends_and_leaves_nothing(poller: Poller) -> None:
    async def cancel(task: "asyncio.Task[int]") -> None:
        task.cancel()

    with pytest.raises(asyncio.CancelledError):
        in_a_task(poller, cancel)
    assert poller._on_close == set()
    poller.poll()


def test_a_closed_or_deleted_iterator_leaves_nothing(poller: Poller) -> None:
    async def closed() -> None:
        samples = poller.samples(LONG)
        await anext(samples)
        await samples.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(samples)

    async def forgotten() -> None:
        await anext(poller.samples(LONG))

    for leave in (closed, forgotten):
        asyncio.run(leave())
        assert poller._on_close == set()


def test_several_tasks_have_samples_of_one_poller(poller: Poller) -> None:
    async def run() -> list[list[float]]:
        return list(await asyncio.gather(times(poller, 0.5, [0.0] * 3), times(poller, 0.25, [0.0] * 3)))

    with asyncio.Runner(loop_factory=FastLoop) as runner:
        assert runner.run(run()) == [[0.0, 0.5, 1.0], [0.0, 0.25, 0.5]]


@pytest.mark.parametrize("interval", [0, -1.0, float("inf"), float("nan")])
def test_an_interval_is_a_number_of_seconds(interval: float, poller: Poller) -> None:
    with pytest.raises(ValueError, match="seconds above 0"):
        poller.samples(interval)


def test_an_interval_too_short_to_divide_by(poller: Poller) -> None:
    with asyncio.Runner(loop_factory=FastLoop) as runner:
        assert runner.run(times(poller, 1e-320, [0.5, 0.5, 0.0])) == [0.0, 0.5, 1.0]


def test_a_poller_that_follows_is_opened_in_a_thread(tmp_path: Path) -> None:
    goes_on = threading.Event()

    def select(domain: Domain) -> Domain:
        assert goes_on.wait(60)
        return domain

    async def run() -> Poller:
        opening = asyncio.create_task(asyncio.to_thread(Host(tmp_path).follow, select=select))
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert not opening.done()
        goes_on.set()
        return await opening

    with asyncio.run(run()) as poller:
        assert [domain.name for domain in poller.domains] == ["host"]
    until(lambda: not watch_threads())
