"""The live classes on the machine's own clock, beside aiolimiter."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial

from aiolimiter import AsyncLimiter

from evanalytics.batching.policy import BatchPolicy
from evanalytics.batching.processor import BatchProcessor
from evanalytics.throttling.manager import ThrottleManager
from evanalytics.throttling.policy import RateLimit, ThrottlePolicy
from tests.benchmarks.measure import Row

KINDS = ("sliding_window", "token_bucket", "fixed_window")
Acquire = Callable[[], Awaitable[object]]


def rows() -> Iterator[Row]:
    """Yield one row per benchmark."""
    yield from _uncontended()
    yield from _contended()
    yield from _heavy_waiter()
    yield _cancellation()
    yield from _adding()


def manager(requests: int, per: str = "1s", **fields: object) -> ThrottleManager:
    """Return a manager with one limit for all."""
    return ThrottleManager(ThrottlePolicy(RateLimit(requests, per, **fields)))  # type: ignore[arg-type]


def _uncontended(calls: int = 50_000, runs: int = 7) -> Iterator[Row]:
    """One caller that never waits; wall time of a call."""

    async def one(acquire: Acquire) -> float:
        begin = time.perf_counter()
        for _ in range(calls):
            await acquire()
        return (time.perf_counter() - begin) / calls

    async def each() -> dict[str, list[float]]:
        times: dict[str, list[float]] = {name: [] for name in ("aiolimiter", *KINDS)}
        for _ in range(runs):
            times["aiolimiter"].append(await one(AsyncLimiter(10**9, 1).acquire))
            for kind in KINDS:
                times[kind].append(await one(partial(manager(10**6, kind=kind).acquire, "publish")))
        return times

    yield from _against(asyncio.run(each()), "acquire, uncontended", runs)


def _contended(calls: int = 40_000, rate: int = 20_000, runs: int = 5) -> Iterator[Row]:
    """Everybody at once; processor time of a call, for the waiting itself is the limit's.

    Without the cyclic collector, as `timeit` has it: how often it walks through the forty thousand tasks,
    and whatever else the process holds, would be most of what is measured.
    """

    async def one(acquire: Acquire) -> float:
        gc.collect()
        gc.disable()
        try:
            begin = time.process_time()
            await asyncio.gather(*(acquire() for _ in range(calls)))
            return (time.process_time() - begin) / calls
        finally:
            gc.enable()

    async def each() -> dict[str, list[float]]:
        times: dict[str, list[float]] = {name: [] for name in ("aiolimiter", *KINDS)}
        for _ in range(runs):
            times["aiolimiter"].append(await one(AsyncLimiter(rate, 1).acquire))
            for kind in KINDS:
                times[kind].append(await one(partial(manager(rate, kind=kind).acquire, "publish")))
        return times

    yield from _against(asyncio.run(each()), "acquire, contended (processor)", runs)


def _against(times: dict[str, list[float]], what: str, runs: int) -> Iterator[Row]:
    peer = statistics.median(times["aiolimiter"])
    for kind in KINDS:
        ours = statistics.median(times[kind])
        yield Row(
            f"{what}, {kind}", ours, runs, f"{peer / ours:.2f}x aiolimiter ({peer * 1e9:,.0f} ns)", "1x"
        )


def _heavy_waiter() -> Iterator[Row]:
    """A weight of 5 at 100/s, under a single every 5 ms: 50 ms are fair."""
    bucket = manager(100, kind="token_bucket", burst=5)
    ours = asyncio.run(_wait_of_heavy(lambda weight: bucket.acquire("publish", weight)))
    limiter = AsyncLimiter(5, 0.05)
    peer = asyncio.run(_wait_of_heavy(limiter.acquire))
    told = f"aiolimiter {peer * 1e3:,.0f} ms" + (" and more: it starves" if peer >= 2 else "")
    yield Row("a weight of 5 under a stream of singles waits", ours, 1, told, "60 ms")


async def _wait_of_heavy(acquire: Callable[[int], Awaitable[object]]) -> float:
    for _ in range(5):
        await acquire(1)
    begin = time.perf_counter()
    heavy = asyncio.ensure_future(acquire(5))
    async with _singles(acquire):
        await asyncio.wait({heavy}, timeout=2)
    waited = time.perf_counter() - begin
    heavy.cancel()
    return waited


@asynccontextmanager
async def _singles(acquire: Callable[[int], Awaitable[object]]) -> AsyncIterator[None]:
    tasks: list[asyncio.Future[object]] = []

    async def stream() -> None:
        while True:
            tasks.append(asyncio.ensure_future(acquire(1)))
            await asyncio.sleep(0.005)

    streaming = asyncio.create_task(stream())
    try:
        yield
    finally:
        for task in (streaming, *tasks):
            task.cancel()
        await asyncio.gather(streaming, *tasks, return_exceptions=True)


def _cancellation() -> Row:
    """Three wait at 10/s, the first is cancelled: the others go on at 101 and 201 ms."""

    async def run() -> list[float]:
        bucket = manager(10, kind="token_bucket", burst=1)
        await bucket.acquire("publish")
        begin, granted = time.perf_counter(), []

        async def wait() -> None:
            await bucket.acquire("publish")
            granted.append(time.perf_counter() - begin)

        tasks = [asyncio.create_task(wait()) for _ in range(3)]
        await asyncio.sleep(0.03)
        tasks[0].cancel()
        await asyncio.wait(tasks)
        return granted

    second, third = asyncio.run(run())
    return Row(
        "first of 3 waiters cancelled: the last waits",
        third,
        1,
        f"the second {second * 1e3:.0f} ms",
        "201 ms",
    )


def _adding(events: int = 100_000, runs: int = 5) -> Iterator[Row]:
    async def one(size: int) -> float:
        async def process(batch: list[object]) -> None: ...

        processor: BatchProcessor = BatchProcessor(BatchPolicy(max_batch_size=size), process)
        begin = time.perf_counter()
        for i in range(events):
            await processor.add(i)
            if i % 1_000 == 999:
                await asyncio.sleep(0)
        spent = (time.perf_counter() - begin) / events
        await processor.close()
        return spent

    for size in (10, 100, 1_000):
        times = [asyncio.run(one(size)) for _ in range(runs)]
        yield Row(f"add to a batch of {size:,}", statistics.median(times), runs, "", "2 us")
