"""How a live run begins and ends when something is not as it should be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import evanalytics as ev
from evanalytics.clock import ManualClock
from evanalytics.exceptions import ClosedError, StreamError
from evanalytics.logs.quarantine import read_quarantine

SCHEMA = {"data.n": pl.Int64}
START = datetime(2026, 1, 1, tzinfo=UTC)


def event(number: int, value: object = None) -> ev.Event:
    data = {"n": number if value is None else value}
    return ev.Event(id=f"e{number}", type="t", source="s", time=START + timedelta(seconds=number), data=data)


def log(count: int) -> ev.EventLog:
    numbers = range(count)
    frame = pl.DataFrame(
        {
            "id": [f"e{n}" for n in numbers],
            "type": "t",
            "source": "s",
            "time": [START + timedelta(seconds=n) for n in numbers],
            "data__n": list(numbers),
        }
    )
    return ev.EventLog.from_frame(frame)


def into(sink: Any) -> ev.StreamProcessor:
    """Return a processor that hands all events to a sink."""
    processor = ev.StreamProcessor("p")
    processor.add_source("in").connect_to(processor.add_node("out", ev.SinkNode(sink)))
    return processor


def collecting(ids: list[str]) -> ev.StreamProcessor:
    return into(lambda batch: ids.extend(batch["id"]))


async def test_closed_service_is_an_error_and_no_end(tmp_path: Path) -> None:
    ids: list[str] = []
    file = tmp_path / "checkpoint.duckdb"
    quick = ev.BatchPolicy(max_batch_size=10, flush_interval="1ms")
    service = ev.EmbeddedEventService(tmp_path / "events.duckdb")
    await service.publish_events([event(0), event(1)])
    run = await collecting(ids).start(service, schema=SCHEMA, checkpoint=file, micro_batch=quick)
    while run.offset.position < 2:
        await asyncio.sleep(0)
    await service.close()
    with pytest.raises(ClosedError):
        await run.wait()
    async with ev.EmbeddedEventService(tmp_path / "events.duckdb") as service:
        await service.publish_events([event(2)])
        run = await collecting(ids).start(service, schema=SCHEMA, checkpoint=file, micro_batch=quick)
        while run.offset.position < 3:
            await asyncio.sleep(0)
        await run.stop()

    assert ids == ["e0", "e1", "e2"]


async def test_what_a_source_gave_before_it_failed_is_delivered() -> None:
    ids: list[str] = []

    async def failing() -> AsyncIterator[ev.Event]:
        for number in range(5):
            yield event(number)
        raise OSError("the line is dead")

    run = await collecting(ids).start(failing(), schema=SCHEMA, clock=ManualClock())
    with pytest.raises(StreamError, match="the line is dead"):
        await run.wait()

    assert ids == [f"e{number}" for number in range(5)]
    assert run.offset.position == 5


@pytest.mark.parametrize("sought", [50, START + timedelta(seconds=50)])
async def test_replay_that_was_sought_is_continued_behind_its_last_event(
    tmp_path: Path, sought: int | datetime
) -> None:
    ids: list[str] = []
    file = tmp_path / "checkpoint.duckdb"
    replay = ev.Replay(log(60), speed=None)
    replay.seek(sought)
    run = await collecting(ids).start(
        replay,
        checkpoint=file,
        micro_batch=ev.BatchPolicy(max_batch_size=3, flush_interval="1h"),
        on_output=lambda _: run._stopping.set(),
    )
    await run.wait()
    stopped_at = run.offset.position
    run = await collecting(ids).start(ev.Replay(log(60), speed=None), checkpoint=file)
    await run.wait()

    assert 50 < stopped_at < 60
    assert ids == [f"e{number}" for number in range(50, 60)]


@pytest.mark.parametrize("where", ["sink", "column"])
async def test_function_that_raises_stop_iteration_ends_the_run(where: str) -> None:
    def exhausted(*_: object) -> int:
        return next(iter(()))

    if where == "sink":
        processor = into(exhausted)
    else:
        processor = ev.StreamProcessor("p")
        column = ev.TransformNode({"n": ev.python_column(exhausted, "data.n", dtype=pl.Int64)})
        processor.add_source("in").connect_to(processor.add_node("column", column))
    once = ev.DeliveryPolicy(max_in_flight=1, retry=ev.Retry(max_attempts=1))
    run = await processor.start(log(3), delivery=once)

    with pytest.raises(StreamError, match="StopIteration"):
        await run.wait()


async def after_a_cut(tmp_path: Path, quarantine: Path | None) -> ev.LiveRun:
    """Return a run that goes on where one was cut behind a checkpoint and a refused event."""
    file = tmp_path / "checkpoint.duckdb"
    events = [event(0, "text"), event(1), event(2, "text"), event(3)]

    async def endless(start: int) -> AsyncIterator[ev.Event]:
        for one in events[start:]:
            yield one
        await asyncio.Event().wait()

    async def ending(start: int) -> AsyncIterator[ev.Event]:
        for one in events[start:]:
            yield one

    clock = ManualClock()
    pairs = ev.BatchPolicy(max_batch_size=2, flush_interval="1h")

    def move_clock_once(_: object) -> None:
        clock._now_ns = 1_000_000_000  # behind the first micro-batch a checkpoint is due, and no other

    run = await collecting([]).start(
        endless,
        schema=SCHEMA,
        checkpoint=file,
        checkpoint_interval="1s",
        quarantine=quarantine,
        clock=clock,
        micro_batch=pairs,
        on_output=move_clock_once,
    )
    while run.offset.position < 4:
        await asyncio.sleep(0)
    assert run._main is not None
    run._main.cancel()  # as a kill does: no last checkpoint
    with pytest.raises(StreamError, match="was cancelled"):
        await run.wait()
    run = await collecting([]).start(
        ending, schema=SCHEMA, checkpoint=file, quarantine=quarantine, micro_batch=pairs
    )
    await run.wait()
    return run


async def test_cut_run_writes_no_refused_event_twice(tmp_path: Path) -> None:
    run = await after_a_cut(tmp_path, tmp_path / "bad.ndjson")

    kept = [ev.Event.from_json(record.raw or "").id for record in read_quarantine(tmp_path / "bad.ndjson")]
    assert kept == ["e0", "e2"]
    assert run.refused_count == 2


async def test_refused_events_in_memory_come_back_from_the_checkpoint(tmp_path: Path) -> None:
    run = await after_a_cut(tmp_path, None)

    assert [one.id for one, _ in run.refused] == ["e0", "e2"]
    assert run.refused_count == 2


async def test_finished_run_does_not_pass_over_what_came_later(tmp_path: Path) -> None:
    ids: list[str] = []
    file = tmp_path / "checkpoint.duckdb"
    await (await collecting(ids).start(log(10), checkpoint=file)).wait()
    run = await collecting(ids).start(log(20), checkpoint=file)

    with pytest.raises(StreamError, match="finished behind event 10"):
        await run.wait()
    assert len(ids) == 10


async def test_whoever_waits_learns_why_a_run_was_cut() -> None:
    hangs = asyncio.Event()

    async def hanging(batch: pl.DataFrame) -> None:
        hangs.set()
        await asyncio.Event().wait()

    run = await into(hanging).start(log(5), clock=ManualClock())
    waiting = asyncio.create_task(run.wait())
    await hangs.wait()
    with pytest.raises(StreamError, match="not done within"):
        await run.stop("0s")

    with pytest.raises(StreamError, match="not done within"):
        await waiting


async def test_stop_in_vain_does_not_hide_the_first_error() -> None:
    hangs = asyncio.Event()

    async def hanging(batch: pl.DataFrame) -> None:
        hangs.set()
        await asyncio.Event().wait()

    run = await into(hanging).start(log(5), clock=ManualClock())
    await hangs.wait()
    run._fail(StreamError("the first error"))

    with pytest.raises(StreamError, match="the first error"):
        await run.stop("0s")


def test_signals_are_refused_in_another_thread_before_anything_runs() -> None:
    ids: list[str] = []

    async def start() -> set[asyncio.Task[Any]]:
        with pytest.raises(StreamError, match="only the main thread"):
            await collecting(ids).start(log(5), handle_signals=True)
        return asyncio.all_tasks() - {asyncio.current_task()}  # type: ignore[arg-type]

    async def elsewhere() -> set[asyncio.Task[Any]]:
        return await asyncio.to_thread(asyncio.run, start())

    assert asyncio.run(elsewhere()) == set()
    assert ids == []


async def test_of_two_starts_at_once_one_is_refused(tmp_path: Path) -> None:
    processor = collecting([])
    starts = [processor.start(log(5), checkpoint=tmp_path / "checkpoint.duckdb") for _ in range(2)]

    first, second = await asyncio.gather(*starts, return_exceptions=True)

    assert isinstance(first, ev.LiveRun)
    await first.wait()
    with pytest.raises(StreamError, match="is running already"):
        raise second  # type: ignore[misc]


async def test_graph_with_a_loose_sink_is_refused_as_a_replay_refuses_it() -> None:
    processor = ev.StreamProcessor("p")
    processor.add_source("in")
    processor.add_node("out", ev.SinkNode(print))

    with pytest.raises(StreamError, match="out: input 'in' is not connected"):
        await processor.start(log(1))


async def test_graph_that_goes_in_a_circle_is_refused() -> None:
    processor = ev.StreamProcessor("p")
    processor.add_source("in")
    one, other = (processor.add_node(name, ev.TransformNode({"n": "data.n"})) for name in ("one", "other"))
    one.connect_to(other).connect_to(one)
    other.connect_to(processor.add_node("out", ev.SinkNode(print)))

    with pytest.raises(StreamError, match="go in a circle"):
        await processor.start(log(1))
