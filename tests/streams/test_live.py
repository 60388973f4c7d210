"""A live run: every accepted event is delivered or handed back, once; and it ends when it should."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import polars as pl
import pytest

import evanalytics as ev
from evanalytics.exceptions import ColumnError, StreamError
from evanalytics.logs.typed_events import declared_schema
from tests.streams.order_stream import SCHEMA, MemorySink, build, log_of, one_by_one, order_events, replayed

SMALL = ev.BatchPolicy(max_batch_size=50, flush_interval="1h")
QUICK = ev.DeliveryPolicy(max_in_flight=1, retry=ev.Retry(max_attempts=3, base="1ms", jitter=0))


def tasks_left() -> set[asyncio.Task]:
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


async def test_run_over_events_delivers_what_a_replay_delivers() -> None:
    events = order_events(400)
    processor, joined, metrics = build()

    run = await processor.start(one_by_one(events), schema=SCHEMA, micro_batch=SMALL)
    await run.wait()

    assert (joined.rows, metrics.rows) == replayed(events)
    assert run.offset.position == 400
    assert tasks_left() == set()


@pytest.mark.parametrize("parallelism", [1, 3])
async def test_run_over_a_log_delivers_what_a_replay_delivers(parallelism: int) -> None:
    events = order_events(400)
    processor, joined, metrics = build(parallelism)

    run = await processor.start(log_of(events), micro_batch=SMALL)
    await run.wait()

    assert (joined.rows, metrics.rows) == replayed(events)


async def test_run_over_a_replay_is_the_same() -> None:
    events = order_events(200)
    processor, joined, metrics = build()

    run = await processor.start(ev.Replay(log_of(events), speed=None), micro_batch=SMALL)
    await run.wait()

    assert (joined.rows, metrics.rows) == replayed(events)


async def test_run_over_a_service_takes_what_is_there_and_what_comes() -> None:
    events = order_events(300)
    processor, joined, metrics = build()
    async with ev.EmbeddedEventService() as service:
        await service.publish_events(events[:100])
        run = await processor.start(
            service, micro_batch=ev.BatchPolicy(max_batch_size=50, flush_interval="5ms")
        )
        for start in range(100, 300, 40):
            await service.publish_events(events[start : start + 40])
        while run.offset.position < 300:
            await asyncio.sleep(0)
        await processor.stop()

    assert (joined.rows, metrics.rows) == replayed(events)


async def test_stop_delivers_what_was_read_and_closes_windows() -> None:
    events = order_events(200)
    processor, joined, metrics = build()
    all_read = asyncio.Event()

    async def endless() -> AsyncIterator[ev.Event]:
        for event in events:
            yield event
        all_read.set()
        await asyncio.Event().wait()

    run = await processor.start(endless(), schema=SCHEMA, micro_batch=SMALL)
    await all_read.wait()
    await processor.stop()

    assert (joined.rows, metrics.rows) == replayed(events)
    assert not run.is_running
    assert tasks_left() == set()


@pytest.mark.parametrize("failing", [0, 1, 5])
async def test_sink_that_fails_twice_gets_the_batch_a_third_time(failing: int) -> None:
    events = order_events(400)
    processor, joined, metrics = build()
    sink, failures = processor.graph.nodes["joined-data-sink"], 0

    async def flaky(batch: pl.DataFrame) -> None:
        nonlocal failures
        if joined.calls == failing and failures < 2:
            failures += 1
            raise OSError("not now")
        await joined.take(batch)

    processor.graph.nodes["joined-data-sink"] = ev.SinkNode(flaky, batch_size=20)
    run = await processor.start(log_of(events), micro_batch=SMALL, delivery=QUICK)
    await run.wait()

    assert isinstance(sink, ev.SinkNode)
    assert (joined.rows, metrics.rows) == replayed(events)
    assert joined.received == len(joined.rows)
    assert run.metrics.deliveries().filter(sink="joined-data-sink")["retries"].item() == 2


async def test_sink_that_keeps_failing_ends_the_run_and_hands_rows_back() -> None:
    events = order_events(400)
    processor, joined, _ = build()

    async def broken(batch: pl.DataFrame) -> None:
        if joined.calls == 2:
            raise OSError("disk full")
        await joined.take(batch)

    processor.graph.nodes["joined-data-sink"] = ev.SinkNode(broken, batch_size=20)
    run = await processor.start(log_of(events), micro_batch=SMALL, delivery=QUICK)
    with pytest.raises(StreamError, match="disk full"):
        await run.wait()

    handed_back = set(run.undelivered["joined-data-sink"]["id"])
    assert len(joined.rows) == 40
    assert set(run.counts.filter(node="joined-data-sink")["rows"]) == {len(set(joined.rows) | handed_back)}
    assert tasks_left() == set()


async def test_lost_acknowledgements_double_nothing() -> None:
    events, draw = order_events(10_000), random.Random(3)
    processor, joined, metrics = build()

    def forgetful(sink: MemorySink) -> Callable[[pl.DataFrame], Awaitable[None]]:
        async def take(batch: pl.DataFrame) -> None:
            await sink.take(batch)
            if draw.random() < 0.3:
                raise TimeoutError("no answer")

        return take

    nodes = processor.graph.nodes
    nodes["joined-data-sink"] = ev.SinkNode(forgetful(joined), batch_size=20)
    nodes["metrics-sink"] = ev.SinkNode(forgetful(metrics), batch_size=50)
    patient = ev.DeliveryPolicy(max_in_flight=1, retry=ev.Retry(max_attempts=50, base="1us", max_delay="1us"))
    larger = ev.BatchPolicy(max_batch_size=500, flush_interval="1h")
    run = await processor.start(log_of(events), micro_batch=larger, delivery=patient)
    await run.wait()

    assert (joined.rows, metrics.rows) == replayed(events)
    assert joined.received + metrics.received > 1.3 * (len(joined.rows) + len(metrics.rows)) > 10_000
    assert (joined.changed, metrics.changed) == ([], [])


async def test_sinks_wait_for_tokens() -> None:
    processor, joined, metrics = build()
    throttle = ev.ThrottleManager(ev.ThrottlePolicy(ev.RateLimit(1_000_000, "1s")))

    run = await processor.start(log_of(order_events(200)), micro_batch=SMALL, throttle=throttle)
    await run.wait()

    assert throttle.statistics("publish").granted == joined.calls + metrics.calls > 2


async def test_signal_stops_the_run_as_stop_does() -> None:
    events = order_events(200)
    processor, joined, metrics = build()
    all_read = asyncio.Event()

    async def endless() -> AsyncIterator[ev.Event]:
        for event in events:
            yield event
        all_read.set()
        await asyncio.Event().wait()

    run = await processor.start(endless(), schema=SCHEMA, micro_batch=SMALL, handle_signals=True)
    await all_read.wait()
    os.kill(os.getpid(), signal.SIGTERM)
    await run.wait()

    assert (joined.rows, metrics.rows) == replayed(events)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


async def test_processor_as_a_context_stops_its_run() -> None:
    events = order_events(100)
    processor, _, _ = build()

    async with processor:
        run = await processor.start(log_of(events), micro_batch=SMALL)
        with pytest.raises(StreamError, match="is running already"):
            await processor.start(log_of(events))

    assert not run.is_running


async def test_sink_that_hangs_does_not_keep_stop_from_returning() -> None:
    processor, _, _ = build()
    hangs, forever = asyncio.Event(), asyncio.Event()

    async def hanging(batch: pl.DataFrame) -> None:
        hangs.set()
        await forever.wait()

    processor.graph.nodes["joined-data-sink"] = ev.SinkNode(hanging, batch_size=10)
    run = await processor.start(log_of(order_events(400)), micro_batch=SMALL)
    await hangs.wait()
    with pytest.raises(StreamError, match="not done within"):
        await run.stop("10ms")

    assert len(run.undelivered["joined-data-sink"]) > 0
    assert tasks_left() == set()


async def test_plain_function_that_hangs_does_not_keep_stop_from_returning() -> None:
    processor, _, _ = build()
    hangs, loop, release = asyncio.Event(), asyncio.get_running_loop(), threading.Event()

    def hanging(batch: pl.DataFrame) -> None:
        loop.call_soon_threadsafe(hangs.set)
        release.wait()

    processor.graph.nodes["joined-data-sink"] = ev.SinkNode(hanging, batch_size=10)
    run = await processor.start(log_of(order_events(400)), micro_batch=SMALL)
    await hangs.wait()
    with pytest.raises(StreamError, match="not done within"):
        await run.stop("10ms")
    release.set()

    assert tasks_left() == set()


async def test_slow_sink_slows_the_source() -> None:
    events = order_events(3_000)
    processor, joined, _ = build()
    given, gate, called = 0, asyncio.Event(), asyncio.Event()

    async def counted() -> AsyncIterator[ev.Event]:
        nonlocal given
        for event in events:
            given += 1
            yield event

    async def slow(batch: pl.DataFrame) -> None:
        called.set()
        await gate.wait()
        await joined.take(batch)

    processor.graph.nodes["joined-data-sink"] = ev.SinkNode(slow, batch_size=10)
    run = await processor.start(counted(), schema=SCHEMA, micro_batch=SMALL)
    await called.wait()
    while run.queues().filter(queue="events")["rows"].item() < 2 * SMALL.max_batch_size:
        await asyncio.sleep(0)
    held = given
    gate.set()
    await run.wait()

    assert held < 1_000
    assert joined.rows == replayed(events)[0]


async def test_event_that_does_not_fit_is_set_aside_and_counted() -> None:
    events = order_events(100)
    odd = ev.Event(id="odd", type="order.created", source="shop", time=events[50].time, data={"total": "ten"})
    processor, _, metrics = build()

    run = await processor.start(
        one_by_one([*events[:50], odd, *events[50:]]), schema=SCHEMA, micro_batch=SMALL
    )
    await run.wait()

    assert [(event.id, reason) for event, reason in run.refused] == [
        ("odd", "data__total: another type than the schema's")
    ]
    assert run.refused_count == 1
    assert len(metrics.rows) == len(replayed(events)[1])


async def test_refused_events_can_go_to_a_file(tmp_path: Path) -> None:
    from evanalytics.logs.quarantine import read_quarantine

    events = order_events(10)
    odd = ev.Event(id="odd", type="order.created", source="shop", time=events[5].time, data=["no object"])
    processor, _, _ = build()

    run = await processor.start(one_by_one([*events, odd]), schema=SCHEMA, quarantine=tmp_path / "bad.ndjson")
    await run.wait()

    (record,) = read_quarantine(tmp_path / "bad.ndjson")
    assert ev.Event.from_json(record.raw or "").data == ["no object"]


@pytest.mark.parametrize("source", ["log", "filtered log", "events"])
async def test_filter_that_only_events_can_decide_is_the_same_live(source: str) -> None:
    events = order_events(200)
    odd = {"$or": [{"data.tags": "x"}, {"data.total": {"$exists": True}, "data.orderId": "o3"}]}

    def pipeline(rows: list[str]) -> ev.StreamProcessor:
        processor = ev.StreamProcessor("odd")
        node = processor.add_source("in", types=["order.created"]).connect_to(
            processor.add_node("split", ev.FilterNode({"odd": ev.filter(odd)}))
        )
        sink = ev.SinkNode(lambda batch: rows.extend(batch["id"]))
        node.connect_to(processor.add_node("sink", sink), "odd")
        return processor

    events = [
        ev.Event(
            id=e.id, type=e.type, source=e.source, time=e.time, data={**e.data, "tags": ["x", "y"][: n % 3]}
        )
        for n, e in enumerate(events)
    ]
    log = log_of(events)
    want = {e.id for e in events if e.type == "order.created" and ev.filter(odd)(e)}
    rows: list[str] = []
    if source == "events":
        run = await pipeline(rows).start(one_by_one(events), schema=schema_with_tags(), micro_batch=SMALL)
    else:
        narrow = {"data.orderId": "o3"}
        log = log.where(ev.filter(narrow)) if source == "filtered log" else log
        want = {e.id for e in events if e.type == "order.created" and ev.filter(narrow)(e)}
        run = await pipeline(rows).start(log, micro_batch=SMALL)
    await run.wait()

    assert set(rows) == want
    assert len(want) > 0


def schema_with_tags() -> ev.LogSchema:
    from dataclasses import replace

    return replace(declared_schema(SCHEMA), json_paths={"data.tags": "arrays"})


async def test_iterator_without_a_schema_is_refused() -> None:
    processor, _, _ = build()

    with pytest.raises(StreamError, match="declare them"):
        await processor.start(one_by_one(order_events(3)))


async def test_service_without_events_has_no_schema() -> None:
    processor, _, _ = build()
    async with ev.EmbeddedEventService() as service:
        with pytest.raises(ColumnError, match="no event to find types from"):
            await processor.start(service)


async def test_what_cannot_be_read_is_refused() -> None:
    processor, _, _ = build()

    with pytest.raises(StreamError, match="needs an event service"):
        await processor.start([1, 2, 3])  # type: ignore[arg-type]


async def test_metrics_tell_what_went_through() -> None:
    processor, _, _ = build()

    run = await processor.start(log_of(order_events(400)), micro_batch=SMALL)
    await run.wait()

    assert run.metrics.rates()["events"].sum() == 400
    assert run.metrics.latencies().filter(what="micro-batch")["times"].sum() == 8
    assert run.queues()["rows"].sum() == 0
    assert run.memory()["rows"].sum() == 0


async def test_wall_clock_that_jumps_changes_nothing() -> None:
    from datetime import UTC, datetime, timedelta

    class Jumping(ev.SystemClock):
        calls = 0

        def now(self) -> datetime:
            self.calls += 1
            return datetime.now(UTC) + (timedelta(hours=-1), timedelta(days=1), timedelta())[self.calls % 3]

    events = order_events(300)
    processor, joined, metrics = build()
    run = await processor.start(log_of(events), micro_batch=SMALL, clock=Jumping())
    await run.wait()

    assert (joined.rows, metrics.rows) == replayed(events)


async def test_no_payload_gets_into_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="evanalytics.streams")
    processor, _, _ = build()

    async def broken(batch: pl.DataFrame) -> None:
        raise OSError("customer c1 is not known")

    processor.graph.nodes["joined-data-sink"] = ev.SinkNode(broken, batch_size=20)
    run = await processor.start(log_of(order_events(200)), micro_batch=SMALL, delivery=QUICK)
    with pytest.raises(StreamError):
        await run.wait()

    told = [str(vars(record)) for record in caplog.records if record.name == "evanalytics.streams"]
    assert len(told) >= 3
    assert not any("customer" in text for text in told)
