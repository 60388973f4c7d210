"""A run that was stopped, cut or killed goes on from its checkpoint: nothing lost, nothing changed."""

from __future__ import annotations

import asyncio
import os
import random
from functools import partial
from pathlib import Path

import polars as pl
import pytest

import evanalytics as ev
from evanalytics.exceptions import StreamError
from evanalytics.streams.checkpoint import CheckpointFile
from tests.soak.soak_streams import kill_stream
from tests.streams.order_stream import (
    SCHEMA,
    MemorySink,
    build,
    live_pipeline,
    log_of,
    one_by_one,
    order_events,
    replayed,
)

SMALL = ev.BatchPolicy(max_batch_size=50, flush_interval="1h")
CUTS = int(os.environ.get("EVANALYTICS_SEEDS", "40")) // 5
EVENTS = order_events(400)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "stream.duckdb"


def again(joined: MemorySink, metrics: MemorySink, parallelism: int = 1) -> ev.StreamProcessor:
    """Return the same processor as after a restart, with the same sinks behind it."""
    return live_pipeline(joined.take, metrics.take, parallelism=parallelism)


async def test_stopped_run_goes_on_where_it_was(file: Path) -> None:
    processor, joined, metrics = build()
    run = await processor.start(
        log_of(EVENTS), micro_batch=SMALL, checkpoint=file, on_output=lambda _: run._stopping.set()
    )
    await run.wait()
    stopped_at = run.offset.position
    run = await again(joined, metrics, 3).start(log_of(EVENTS), micro_batch=SMALL, checkpoint=file)
    await run.wait()

    assert stopped_at == 50
    assert (joined.rows, metrics.rows) == replayed(EVENTS)
    assert joined.received == len(joined.rows)
    assert run.counts.filter(node="event-source", what="read")["rows"].item() == 400


async def test_stop_leaves_windows_open_for_the_next_run(file: Path) -> None:
    processor, joined, metrics = build()
    run = await processor.start(one_by_one(EVENTS), schema=SCHEMA, micro_batch=SMALL, checkpoint=file)
    await run.stop()
    early = dict(metrics.rows)
    run = await again(joined, metrics).start(
        partial(one_by_one, EVENTS), schema=SCHEMA, micro_batch=SMALL, checkpoint=file
    )
    await run.wait()

    assert len(early) < len(metrics.rows)
    assert (joined.rows, metrics.rows) == replayed(EVENTS)
    assert (joined.changed, metrics.changed) == ([], [])


async def test_run_that_is_cut_anywhere_loses_and_changes_nothing(file: Path) -> None:
    want = replayed(EVENTS)
    for seed in range(CUTS):
        draw, place = random.Random(seed), file.with_name(f"{seed}.duckdb")
        joined, metrics = MemorySink(), MemorySink()
        for _ in range(2):
            run = await again(joined, metrics, draw.choice((1, 3))).start(
                log_of(EVENTS),
                micro_batch=ev.BatchPolicy(max_batch_size=draw.choice((20, 50)), flush_interval="1h"),
                checkpoint=place,
                checkpoint_interval="0s",
            )
            for _ in range(draw.randrange(2_000)):
                await asyncio.sleep(0)
            if run.is_running:
                with pytest.raises(StreamError, match="not done within"):
                    await run.stop("0s")
        run = await again(joined, metrics).start(log_of(EVENTS), checkpoint=place)
        await run.wait()

        assert (joined.rows, metrics.rows) == want, f"seed {seed}"
        assert (joined.changed, metrics.changed) == ([], []), f"seed {seed}"
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_rows_that_a_sink_has_not_taken_come_again_with_their_ids(file: Path) -> None:
    processor, joined, metrics = build()
    refused: list[str] = []

    async def broken(batch: pl.DataFrame) -> None:
        refused.extend(batch["id"])
        raise OSError("away")

    processor.graph.nodes["joined-data-sink"] = ev.SinkNode(broken, batch_size=10)
    once = ev.DeliveryPolicy(max_in_flight=1, retry=ev.Retry(max_attempts=1))
    run = await processor.start(log_of(EVENTS), micro_batch=SMALL, checkpoint=file, delivery=once)
    with pytest.raises(StreamError, match="away"):
        await run.wait()
    run = await again(joined, metrics).start(log_of(EVENTS), micro_batch=SMALL, checkpoint=file)
    await run.wait()

    assert len(refused) == 10
    assert set(refused) <= set(joined.rows)
    assert (joined.rows, metrics.rows) == replayed(EVENTS)


async def test_finished_run_has_nothing_left_to_do(file: Path) -> None:
    processor, joined, metrics = build()
    for _ in range(2):
        run = await again(joined, metrics).start(log_of(EVENTS), micro_batch=SMALL, checkpoint=file)
        await run.wait()

    assert processor.name == "order-analytics"
    assert joined.received == len(joined.rows) == len(replayed(EVENTS)[0])


async def test_service_is_read_on_behind_the_last_event(file: Path) -> None:
    joined, metrics = MemorySink(), MemorySink()
    async with ev.EmbeddedEventService() as service:
        for start in (0, 200):
            await service.publish_events(EVENTS[start : start + 200])
            run = await again(joined, metrics).start(
                service,
                schema=SCHEMA,
                micro_batch=ev.BatchPolicy(max_batch_size=50, flush_interval="5ms"),
                checkpoint=file,
            )
            while run.offset.position < start + 200:
                await asyncio.sleep(0)
            await run.stop(finish=start == 200)

    assert (joined.rows, metrics.rows) == replayed(EVENTS)
    assert joined.received == len(joined.rows)


async def test_iterator_cannot_be_continued(file: Path) -> None:
    processor, joined, metrics = build()
    run = await processor.start(
        one_by_one(EVENTS),
        schema=SCHEMA,
        micro_batch=SMALL,
        checkpoint=file,
        on_output=lambda _: run._stopping.set(),
    )
    await run.wait()

    with pytest.raises(StreamError, match="an iterator has only one beginning"):
        await again(joined, metrics).start(one_by_one(EVENTS), schema=SCHEMA, checkpoint=file)


async def test_checkpoint_of_another_graph_is_refused(file: Path) -> None:
    processor, _, _ = build()
    await (await processor.start(log_of(EVENTS), checkpoint=file)).wait()
    other = ev.StreamProcessor("order-analytics")
    other.add_source("event-source")

    with pytest.raises(StreamError, match="belongs to another graph"):
        await other.start(log_of(EVENTS), checkpoint=file)


def test_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    import duckdb

    with duckdb.connect(str(tmp_path / "other.duckdb")) as connection:
        connection.execute("CREATE TABLE prices (n INTEGER)")

    with pytest.raises(StreamError, match="of another kind"):
        CheckpointFile(tmp_path / "other.duckdb", "a graph")


def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database, just a text of some length" * 100)

    with pytest.raises(StreamError, match="cannot be opened"):
        CheckpointFile(tmp_path / "notes.txt", "a graph")


@pytest.mark.slow
def test_killed_process_loses_and_doubles_nothing(tmp_path: Path) -> None:
    outcome = kill_stream(tmp_path, kills=5, events=3_000, seed=1)

    assert outcome.is_good, outcome
    assert outcome.kills == 5


async def test_checkpoint_of_other_columns_before_a_join_is_refused(file: Path) -> None:
    def joining(columns: dict[str, str]) -> ev.StreamProcessor:
        processor = ev.StreamProcessor("p")
        source = processor.add_source("in")
        join = processor.add_node("join", ev.JoinNode(left_key="k", right_key="k", join_window="1h"))
        for side, wanted in (("left", columns), ("right", {"k": "data.orderId"})):
            source.connect_to(processor.add_node(side, ev.TransformNode(wanted))).connect_to(join, side)
        return processor

    few = {"k": "data.orderId"}
    run = await joining(few).start(one_by_one(EVENTS[:9]), schema=SCHEMA, checkpoint=file)
    await run.stop()

    with pytest.raises(StreamError, match="columns that nodes remember differ"):
        await joining(few | {"total": "data.total"}).start(one_by_one(EVENTS), schema=SCHEMA, checkpoint=file)
