"""The closed loop: calibrate on a real HTTP endpoint, predict, run live, compare.

The events are the busiest quarter of an hour of the retail log where it is at hand, else of the sample log.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import polars as pl

from evanalytics.batching.policy import BatchPolicy
from evanalytics.batching.processor import BatchProcessor
from evanalytics.clock import ScaledClock
from evanalytics.delivery.arrivals import Arrivals
from evanalytics.delivery.dispatcher import Dispatcher
from evanalytics.delivery.lane import RequestRecord
from evanalytics.delivery.policy import DeliveryPolicy
from evanalytics.delivery.simulate import simulate
from evanalytics.event import Event, events_to_json
from evanalytics.logs.log import EventLog
from evanalytics.logs.reader import read_log
from evanalytics.replay import Replay
from evanalytics.throttling.manager import ThrottleManager
from evanalytics.throttling.policy import RateLimit, ThrottlePolicy
from evanalytics.tuning.calibrate import calibrate
from tests.benchmarks.measure import Row

ROOT = Path(__file__).parents[2]
RETAIL = ROOT.parent / "shared" / "data" / "retail_lines_2011-12.parquet"
SPEED = 15.0  # a quarter of an hour in a minute
BATCH = BatchPolicy(max_batch_size=50, flush_interval="6s")
THROTTLE = ThrottlePolicy(RateLimit(4, "3s"))
DELIVERY = DeliveryPolicy(max_in_flight=4)
CALLS = 300


def rows() -> Iterator[Row]:
    """Yield a row per quantile: the time measured, and beside it the time predicted."""
    path = RETAIL if RETAIL.exists() else ROOT / "data" / "orders.parquet"
    log = busiest(read_log(path, progress=False), timedelta(minutes=15))
    with endpoint() as port:
        predicted, measured = asyncio.run(closed_loop(log, port))
    for quantile in (0.5, 0.9, 0.99):
        live, model = (s.drop_nulls().quantile(quantile, "higher") / 1e9 for s in (measured, predicted))
        told = f"predicted {model:.3g} s ({live / model - 1:+.1%}), {len(log):,} events"
        yield Row(f"closed loop, {path.stem}, p{quantile * 100:g}", live, 1, told, "10 %")


def busiest(log: EventLog, width: timedelta) -> EventLog:
    """Return the slice of that width with the most events."""
    starts = log.lazy.select(pl.col("time").dt.truncate("1m").alias("start")).collect()
    counts = (
        starts.group_by("start").len().sort("start").rolling("start", period=width).agg(pl.col("len").sum())
    )
    end = counts.sort("len", descending=True)["start"][0] + timedelta(minutes=1)
    return log.between(end - width, end)


async def closed_loop(log: EventLog, port: int) -> tuple[pl.Series, pl.Series]:
    """Return each event's latency in nanoseconds of the log's time: predicted, and measured."""
    clock = ScaledClock(SPEED)
    client = HttpClient(port)
    service = calibrate(await measured_calls(client, clock)).service
    arrivals = Arrivals.of_log(log)
    simulated = simulate(arrivals, BATCH, THROTTLE, replace_service(DELIVERY, service)).latency_ns
    return simulated, await live_latencies(log, client, clock)


def replace_service(delivery: DeliveryPolicy, service: object) -> DeliveryPolicy:
    """Return the policy with another service model."""
    return DeliveryPolicy.from_dict({**delivery.to_dict(), "service": service.to_dict()})  # type: ignore[attr-defined]


async def measured_calls(client: HttpClient, clock: ScaledClock) -> list[RequestRecord]:
    """Return calls of many sizes, measured as the dispatcher sees them."""
    calls: list[RequestRecord] = []
    dispatcher: Dispatcher[Event] = Dispatcher(
        client.send,
        DELIVERY,
        throttle=ThrottleManager(ThrottlePolicy(None), clock=clock),
        clock=clock,
        on_request=calls.append,
    )
    sample = [Event(id=str(i), type="t", source="s", time=clock.now(), data={"n": i}) for i in range(50)]
    sizes = random.Random(0)
    for _ in range(CALLS // DELIVERY.max_in_flight):
        await asyncio.gather(
            *(dispatcher.dispatch(sample[: sizes.randint(1, 50)]) for _ in range(DELIVERY.max_in_flight))
        )
    await dispatcher.close()
    return calls


async def live_latencies(log: EventLog, client: HttpClient, clock: ScaledClock) -> pl.Series:
    """Return each event's time from its arrival to the end of its request, in order of arrival."""
    finished: dict[str, int] = {}
    arrived: list[tuple[str, int]] = []

    async def send(events: list[Event]) -> None:
        await client.send(events)
        finished.update(dict.fromkeys((event.id for event in events), clock.monotonic_ns()))

    dispatcher: Dispatcher[Event] = Dispatcher(
        send, DELIVERY, throttle=ThrottleManager(THROTTLE, clock=clock), group_by="type", clock=clock
    )
    processor: BatchProcessor[Event] = BatchProcessor(
        BATCH, dispatcher.dispatch, clock=clock, on_close=dispatcher.close
    )
    async for event in Replay(log, speed=1, clock=clock, order="time"):
        arrived.append((event.id, clock.monotonic_ns()))
        await processor.add(event)
    await clock.sleep(BATCH.flush_interval.total_seconds())
    await processor.close()
    return pl.Series([finished[name] - at for name, at in arrived], dtype=pl.Int64)


class HttpClient:
    """Posts events over a few kept connections."""

    def __init__(self, port: int) -> None:
        """Connect when first needed."""
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def send(self, events: list[Event]) -> None:
        """Post events as one JSON array; return once they are acknowledged."""
        body = events_to_json(events)
        streams = self._idle.pop() if self._idle else await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = streams
        writer.write(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        if b" 204 " not in answer:
            raise ConnectionError(answer.decode())
        self._idle.append(streams)


@contextmanager
def endpoint() -> Iterator[int]:
    """Run the endpoint in a process of its own; gives its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.http_endpoint"], stdout=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
