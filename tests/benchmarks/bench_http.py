"""Publishing over HTTP: a server in a process of its own, a client here, batches of 500."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from evanalytics.batching.policy import BatchPolicy
from evanalytics.event import Event
from evanalytics.publisher import EventPublisher
from evanalytics.service.embedded import EmbeddedEventService
from evanalytics.service.http import HttpEventServiceClient
from tests.benchmarks.measure import Row
from tests.service.served import event, in_another_process

EVENTS, BATCH, RUNS = 40_000, 500, 5
IN_FLIGHT = 8


def rows() -> Iterator[Row]:
    """Yield a row per way to publish; the time is that of one event."""
    for what, publish, aim in (
        (f"HTTP, batches of {BATCH}, {IN_FLIGHT} at once", in_batches, "20,000/s"),
        ("HTTP, EventPublisher, queued one by one", queued, ""),
    ):
        with tempfile.TemporaryDirectory() as folder, in_another_process(Path(folder, "db")) as (_, url):
            times = [asyncio.run(publish(url, run)) for run in range(RUNS + 1)][1:]
        yield row(what, times, EVENTS, aim)
    yield from group_commit()


def row(what: str, times: list[float], events: int, aim: str = "") -> Row:
    """Return a row that tells events per second as well."""
    median = statistics.median(times)
    return Row(what, median / events, len(times), f"{events / median:,.0f} events/s", aim)


async def in_batches(url: str, run: int) -> float:
    """Return how long the client takes for all events."""
    events = made_up(run)
    batches = iter([events[first : first + BATCH] for first in range(0, EVENTS, BATCH)])

    async def work(client: HttpEventServiceClient) -> None:
        for batch in batches:
            await client.publish_events(batch)

    async with HttpEventServiceClient(url) as client:
        begin = time.perf_counter()
        await asyncio.gather(*(work(client) for _ in range(IN_FLIGHT)))
        return time.perf_counter() - begin


async def queued(url: str, run: int) -> float:
    """Return how long a publisher takes for all events."""
    events = made_up(run)
    policy = BatchPolicy(max_batch_size=BATCH, flush_interval="1s", group_by=None)
    async with HttpEventServiceClient(url) as client, EventPublisher(client, policy) as publisher:
        begin = time.perf_counter()
        for number, one in enumerate(events):
            await publisher.queue_event(one)
            if number % BATCH == 0:
                await asyncio.sleep(0)
        await publisher.flush()
        return time.perf_counter() - begin


def group_commit(publishes: int = 1_000, at_once: int = 64) -> Iterator[Row]:
    """Many small publishes at once into a file, with and without the others to share a commit with."""

    async def one(path: Path, callers: int, size: int, count: int) -> float:
        batches = iter([[event(f"{batch}-{i}") for i in range(size)] for batch in range(count)])

        async def work() -> None:
            for batch in batches:
                await service.publish_events(batch)

        async with EmbeddedEventService(path) as service:
            begin = time.perf_counter()
            await asyncio.gather(*(work() for _ in range(callers)))
            return time.perf_counter() - begin

    for callers, count in ((1, publishes // 10), (at_once, publishes)):
        with tempfile.TemporaryDirectory() as folder:
            times = [asyncio.run(one(Path(folder, f"{run}.duckdb"), callers, 1, count)) for run in range(3)]
        yield row(f"embedded, single events, {callers} at once", times, count)


def made_up(run: int) -> list[Event]:
    """Return events with a small payload."""
    return [
        event(f"{run}-{number}", type=f"order.{number % 5}", data={"total": number, "currency": "EUR"})
        for number in range(EVENTS)
    ]
