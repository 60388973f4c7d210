"""The live classes at work on real events, in front of a service that exists only as its model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from evanalytics.batching.batch import BatchRecord
from evanalytics.batching.processor import BatchProcessor
from evanalytics.clock import Clock, ManualClock
from evanalytics.delivery.dispatcher import Dispatcher, group_in_order
from evanalytics.delivery.lane import RequestRecord
from evanalytics.delivery.quantiles import latency_quantile_ns
from evanalytics.delivery.service_model import ServiceModel
from evanalytics.delivery.simulation import Simulation
from evanalytics.durations import duration_ns
from evanalytics.event import Event
from evanalytics.exceptions import TuningError
from evanalytics.throttling.manager import ThrottleManager
from evanalytics.tuning.settings import Settings

_QUANTILES = (0.5, 0.9, 0.99)


@dataclass(frozen=True, eq=False, repr=False)
class Rehearsal:
    """What the live classes did.

    Attributes:
        latency_ns: Each event's time from its arrival to the end of its request, in the order of
            arrival; null if it was handed back.
        batches: What the processor told of its batches.
        calls: What the dispatcher told of its requests, in the order of release; for `calibrate`.
    """

    latency_ns: pl.Series
    batches: Sequence[BatchRecord]
    calls: Sequence[RequestRecord]

    def __repr__(self) -> str:
        return (
            f"<Rehearsal of {len(self.latency_ns):,} events in {len(self.batches):,} batches "
            f"and {len(self.calls):,} requests>"
        )

    def beside(self, simulated: Simulation) -> pl.DataFrame:
        """Return what was predicted beside what was measured, one row per metric.

        Columns: metric, simulated, live, difference (live / simulated - 1; null where that makes no
        sense). Latencies are in seconds.
        """
        pairs: dict[str, tuple[float | None, float | None]] = {
            "batches": (len(simulated.batches), len(self.batches)),
            "requests": (len(simulated.requests), len(self.calls)),
        }
        for quantile in _QUANTILES:
            one, other = (_quantile_s(run.latency_ns, quantile) for run in (simulated, self))
            pairs[f"p{quantile * 100:g} latency (s)"] = one, other
        rows = [(name, one, other) for name, (one, other) in pairs.items()]
        schema = {"metric": pl.String, "simulated": pl.Float64, "live": pl.Float64}
        frame = pl.DataFrame(rows, schema=schema, orient="row")
        ratio = pl.col("live") / pl.col("simulated") - 1
        return frame.with_columns(difference=pl.when(pl.col("simulated") > 0).then(ratio))

    def curves(self, simulated: Simulation, points: int = 400) -> pl.DataFrame:
        """Return both distributions of latency: columns run ("simulated", "live"), latency_s, share."""
        runs = {"simulated": simulated.latency_ns, "live": self.latency_ns}
        return pl.concat([_curve(latency, points, name) for name, latency in runs.items()])


async def rehearse(events: AsyncIterator[Event], settings: Settings, *, clock: Clock) -> Rehearsal:
    """Return what the live classes do with events as they come in.

    It is a `BatchProcessor` in front of a `Dispatcher` with a `ThrottleManager`, wired as they are in
    production; only the calls go to the settings' service model, which takes its time on the clock. The
    last batch leaves at its deadline, as in a simulation, so that the two can be compared event by
    event. On a `ManualClock`, which is moved from here, they are equal.

    Args:
        events: As they arrive, such as a `Replay` on the same clock.
        settings: The policies, and the service model.
        clock: Where time comes from; a `ScaledClock` makes it quicker than the log was.

    Raises:
        TuningError: `max_batch_bytes` is set, which needs the sizes of the events.
    """
    if settings.batch.max_batch_bytes is not None:
        raise TuningError("rehearse: max_batch_bytes needs events with known sizes; leave it out")
    stage = _Stage(settings, clock)
    acting = asyncio.ensure_future(stage.run(events))
    try:
        await _drive(clock, acting)
        return await acting
    finally:
        acting.cancel()  # does nothing once it is done
        await _drive(clock, acting)
        await asyncio.wait([acting])


async def _drive(clock: Clock, acting: asyncio.Future[Rehearsal]) -> None:
    """Move a clock that others move by hand until the rehearsal is over."""
    while isinstance(clock, ManualClock) and not acting.done():
        await clock.advance_to_ns(clock.next_deadline_ns() or clock.monotonic_ns())


class _Stage:
    """One rehearsal: what is wired to what, and what was seen."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._clock = clock
        self._service = _ModelledService(settings.delivery.service, clock)
        self._group_by = settings.batch.group_by
        self._interval_ns = duration_ns(settings.batch.flush_interval)
        self._arrived_ns: list[int] = []
        self._finished_ns: dict[int, int] = {}
        self._batches: list[BatchRecord] = []
        self._calls: list[RequestRecord] = []
        self._dispatcher: Dispatcher[_Numbered] = Dispatcher(
            self._send,
            settings.delivery,
            throttle=ThrottleManager(settings.throttle, clock=clock),
            group_by=self._group_by,
            clock=clock,
            on_request=self._calls.append,
        )
        self._processor: BatchProcessor[_Numbered] = BatchProcessor(
            settings.batch,
            self._dispatch,
            clock=clock,
            max_held=settings.delivery.max_queue,
            on_batch=self._batches.append,
            dead_letter=lambda events, error: None,  # handed back: they are missing in _finished_ns
            on_close=self._dispatcher.close,
        )

    async def run(self, events: AsyncIterator[Event]) -> Rehearsal:
        """Feed the events in; return once the last one is delivered or handed back.

        If they break off, or whoever waits is cancelled, what is under way is cut.
        """
        try:
            async for event in events:
                self._arrived_ns.append(self._clock.monotonic_ns())
                await self._processor.add(_Numbered(len(self._arrived_ns) - 1, event.type))
            await self._clock.sleep_until_ns(self._clock.monotonic_ns() + self._interval_ns)
            await self._processor.close()
        except BaseException:
            await self._processor.close(timeout="0s")
            raise
        finished = [self._finished_ns.get(number) for number in range(len(self._arrived_ns))]
        latency = pl.Series("latency_ns", finished, dtype=pl.Int64) - pl.Series(
            self._arrived_ns, dtype=pl.Int64
        )
        calls = sorted(self._calls, key=lambda call: call.index)
        return Rehearsal(latency, self._batches, calls)

    def _dispatch(self, events: list[_Numbered]) -> asyncio.Future[list[Any]]:
        """Number the requests in the order of their release, then let the dispatcher do its part."""
        for places in group_in_order(events, lambda event: event.type if self._group_by else None):
            self._service.expect(events[places[0]].number)
        return self._dispatcher.dispatch(events)

    async def _send(self, events: list[_Numbered]) -> None:
        await self._service.call(events[0].number, len(events))
        now_ns = self._clock.monotonic_ns()
        self._finished_ns |= {event.number: now_ns for event in events}


@dataclass(frozen=True, slots=True)
class _Numbered:
    """What stands for an event: its place in the order of arrival, and its type."""

    number: int
    type: str


class _ModelledService:
    """Takes as long as a `ServiceModel` says, and fails when it says so."""

    def __init__(self, model: ServiceModel, clock: Clock) -> None:
        self._model = model
        self._clock = clock
        self._request_of: dict[int, int] = {}
        self._attempts: dict[int, int] = {}

    def expect(self, first_event: int) -> None:
        """Number the next request; its first event tells it from others."""
        self._request_of[first_event] = len(self._request_of)

    async def call(self, first_event: int, events: int) -> None:
        """Take the time of the request's next attempt."""
        request = self._request_of[first_event]
        attempt = self._attempts.get(request, 0)
        self._attempts[request] = attempt + 1
        took_ns = self._model.duration_ns(request, attempt, events)
        await self._clock.sleep_until_ns(self._clock.monotonic_ns() + took_ns)
        if self._model.fails(request, attempt):
            raise ConnectionError(f"the service model lets attempt {attempt} of request {request} fail")


def rehearsal_speed(settings: Settings, *, shortest_wait: timedelta = timedelta(milliseconds=100)) -> float:
    """Return at how many log seconds per second a flush interval takes `shortest_wait` of the wall.

    Timers of an event loop are a millisecond late or so. Faster than this, their jitter is what would be
    measured; for short flush intervals it is slow motion.
    """
    return max(settings.batch.flush_interval / shortest_wait, 0.01)


def _quantile_s(latency_ns: pl.Series, quantile: float) -> float | None:
    found = latency_quantile_ns(latency_ns, quantile) if len(latency_ns) else None
    return None if found is None else found / 1e9


def _curve(latency_ns: pl.Series, points: int, run: str) -> pl.DataFrame:
    seconds = latency_ns.drop_nulls().sort().to_numpy() / 1e9
    ranks = np.unique(np.linspace(1, len(seconds), min(points, len(seconds))).astype(np.int64))
    share = ranks / max(len(latency_ns), 1)
    frame = pl.DataFrame({"latency_s": seconds[ranks - 1], "share": share.astype(np.float64)})
    return frame.select(pl.lit(run).alias("run"), "latency_s", "share")
