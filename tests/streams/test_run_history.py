"""The history of a live run: what its looks say, as frames."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
from msgspec.structs import replace

import evanalytics as ev
from evanalytics.streams.run_history import RunHistory
from tests.streams.order_stream import build, log_of, order_events

SMALL = ev.BatchPolicy(max_batch_size=50, flush_interval="1h")
EVENTS = order_events(400)


async def ended(clock: ev.Clock | None = None) -> tuple[ev.StreamProcessor, RunHistory]:
    """Return the history of a run that has ended, looked at once before and once after."""
    processor, _, _ = build()
    run = await processor.start(log_of(EVENTS), micro_batch=SMALL)
    beside = processor.run(log_of(EVENTS)).counts
    history = RunHistory(processor.graph, run, beside=beside, clock=clock)
    await run.wait()
    history.look()
    return processor, history


async def test_at_the_end_each_node_has_taken_what_it_takes_in_a_replay() -> None:
    _, history = await ended()
    nodes = history.nodes()

    assert nodes["rows"].to_list() == nodes["beside"].to_list()
    assert nodes.filter(node="event-filter")["rows"].item() == 400
    assert nodes["rows"].min() > 0


async def test_rates_are_rows_by_the_clock() -> None:
    clock = ev.ManualClock()
    processor, _, _ = build()
    run = await processor.start(log_of(EVENTS), micro_batch=SMALL)
    history = RunHistory(processor.graph, run, clock=clock)
    await run.wait()
    await clock.advance("500ms")
    history.look()

    assert history.seconds == 0.5
    assert history.rates().filter(node="event-source")["rows_per_s"].to_list() == [0.0, 800.0]
    assert history.nodes().filter(node="event-source")["rows_per_s"].item() == 800.0


async def test_looks_that_are_rare_miss_no_rows() -> None:
    clock = ev.ManualClock()
    processor, _, _ = build()
    run = await processor.start(log_of(EVENTS), micro_batch=SMALL)
    history = RunHistory(processor.graph, run, clock=clock)
    await run.wait()
    await clock.advance("4s")
    history.look()

    assert history.nodes().filter(node="event-source")["rows_per_s"].item() == 100.0


async def test_a_rate_forgets_what_is_more_than_a_second_ago() -> None:
    clock = ev.ManualClock()
    _, history = await ended(clock)
    for _ in range(4):
        await clock.advance("600ms")
        history.look()

    assert history.nodes()["rows_per_s"].to_list() == [0.0] * 8


async def test_late_rows_stand_beside_the_node_that_they_came_too_late_for() -> None:
    processor, _, _ = build()
    old = [replace(event, id=f"old-{event.id}", time=event.time - timedelta(days=3)) for event in EVENTS]
    run = await processor.start(log_of([*EVENTS, *old[:30]]), micro_batch=SMALL)
    await run.wait()
    late = dict(RunHistory(processor.graph, run).nodes().select("node", "late").rows())
    orders = sum(event.type != "payment.processed" for event in old[:30])

    assert 0 < orders < 30
    assert late["order-payment-join"] == 30  # both sides
    assert late["order-metrics"] == orders  # late for its minute, its hour and its day, and counted once
    assert late["event-filter"] is None


async def test_retries_are_those_of_each_sink() -> None:
    processor, joined, _ = build()
    failures = 0

    async def flaky(batch: pl.DataFrame) -> None:
        nonlocal failures
        failures += 1
        if failures <= 2:
            raise OSError("not now")
        await joined.take(batch)

    processor.graph.nodes["joined-data-sink"] = ev.SinkNode(flaky, batch_size=20)
    quick = ev.DeliveryPolicy(max_in_flight=1, retry=ev.Retry(max_attempts=3, base="1ms", jitter=0))
    run = await processor.start(log_of(EVENTS), micro_batch=SMALL, delivery=quick)
    await run.wait()
    retries = dict(RunHistory(processor.graph, run).nodes().select("node", "retries").rows())

    assert retries["joined-data-sink"] == 2
    assert retries["metrics-sink"] == 0
    assert retries["event-filter"] is None


async def test_what_waits_is_told_queue_by_queue() -> None:
    _, history = await ended()
    queues = history.queues()

    assert set(queues["queue"]) == {"events", "joined-data-sink", "metrics-sink"}
    assert queues.filter(pl.col("at_s") == history.seconds)["rows"].sum() == 0
    assert history.nodes().filter(node="event-source")["waiting"].item() == 0
    assert history.nodes().filter(node="event-filter")["waiting"].item() is None


async def test_latencies_are_shares_of_the_same_thing() -> None:
    _, history = await ended()
    shares = history.latencies().group_by("what").agg(pl.col("share").sum().round(9), pl.col("times").sum())

    assert set(shares["what"]) == {"micro-batch", "joined-data-sink", "metrics-sink"}
    assert shares["share"].to_list() == [1.0] * 3
    assert shares.filter(what="micro-batch")["times"].item() == 8


async def test_a_publisher_stands_before_the_graph() -> None:
    processor, _, _ = build()
    async with (
        ev.EmbeddedEventService() as service,
        ev.EventPublisher(service, ev.BatchPolicy(max_batch_size=100, flush_interval="1h")) as publisher,
    ):
        for event in EVENTS[:250]:
            await publisher.queue_event(event)
        await publisher.flush()
        await publisher.queue_event(EVENTS[250])
        history = RunHistory(processor.graph, publishing=publisher.metrics)
        first = history.nodes().row(0, named=True)

        assert (first["node"], first["rows"], first["waiting"], first["retries"]) == ("publisher", 250, 1, 0)
        assert history.latencies().filter(what="publisher")["times"].sum() == 250


def test_before_a_run_all_is_zero() -> None:
    processor, _, _ = build()
    nodes = RunHistory(processor.graph).nodes()

    assert nodes["rows"].to_list() == [0] * 8
    assert nodes["late"].null_count() == 8


async def test_memory_is_bounded() -> None:
    processor, _, _ = build()
    history = RunHistory(processor.graph)
    for _ in range(500):
        history.look()

    assert history.queues().height == 3 * 120
