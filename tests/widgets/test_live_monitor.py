"""The live monitor: it follows a run until it ends, and its buttons say what can be done; no browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import polars as pl
import pytest

import evanalytics as ev
from evanalytics.exceptions import StreamError
from evanalytics.widgets import LiveMonitor
from evanalytics.widgets.base import STRICT_VARIABLE
from tests.streams.order_stream import SCHEMA, build, log_of, order_events

SMALL = ev.BatchPolicy(max_batch_size=50, flush_interval="1h")
EVENTS = order_events(200)


@pytest.fixture(autouse=True)
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STRICT_VARIABLE, "1")


def monitored(**options: object) -> LiveMonitor:
    """Return a monitor whose button runs a log to its end."""
    processor, _, _ = build()
    return LiveMonitor(
        processor,
        lambda: processor.start(log_of(EVENTS), micro_batch=SMALL),
        **options,  # type: ignore[arg-type]
    )


def endless(processor: ev.StreamProcessor, read: asyncio.Event) -> LiveMonitor:
    """Return a monitor whose button starts a run that only stopping ends."""

    async def events() -> AsyncIterator[ev.Event]:
        for event in EVENTS:
            yield event
        read.set()
        await asyncio.Event().wait()

    return LiveMonitor(processor, lambda: processor.start(events(), schema=SCHEMA, micro_batch=SMALL))


async def over(monitor: LiveMonitor) -> None:
    assert monitor._following is not None
    await monitor._following


def bars(monitor: LiveMonitor, name: str) -> list[int]:
    return list(next(trace for trace in monitor.figure.data if trace.name == name).x)


async def test_it_follows_a_run_to_its_end() -> None:
    monitor = monitored()

    await monitor.start()
    await over(monitor)

    assert monitor.nodes.filter(node="event-source")["rows"].item() == 200
    assert "Ended: 200 events read" in monitor._status.value
    assert bars(monitor, "live") == monitor.nodes["rows"].to_list()


async def test_a_run_that_is_on_already_is_followed() -> None:
    processor, _, _ = build()
    run = await processor.start(log_of(EVENTS), micro_batch=SMALL)

    monitor = LiveMonitor(processor)
    await over(monitor)

    assert monitor.run is run
    assert monitor.nodes["rows"].min() > 0


async def test_beside_a_replay_both_are_equal_at_the_end() -> None:
    processor, _, _ = build()
    beside = processor.run(log_of(EVENTS))
    monitor = monitored(beside=beside)
    before = bars(monitor, "live")

    await monitor.start()
    await over(monitor)

    assert before == [0] * 8
    assert bars(monitor, "live") == bars(monitor, "batch replay")
    assert monitor.nodes["rows"].equals(monitor.nodes["beside"], check_names=False)


async def test_the_table_has_a_row_a_node_and_nothing_where_nothing_can_be() -> None:
    monitor = monitored()
    await monitor.start()
    await over(monitor)
    rows = monitor._table.value.split("<tr>")

    assert len(rows) == 1 + 1 + 8
    assert "<th scope='col'>rows/s</th>" in rows[1]
    assert "<td>event-filter</td><td>filter</td><td>200</td>" in rows[3]
    assert "null" not in monitor._table.value


async def test_buttons_can_be_pressed_when_they_make_sense() -> None:
    processor, _, _ = build()
    read = asyncio.Event()
    monitor = endless(processor, read)
    told = [(monitor.begin.disabled, monitor.end.disabled)]

    await monitor.start()
    told.append((monitor.begin.disabled, monitor.end.disabled))
    await read.wait()
    stopping = asyncio.create_task(monitor.stop())
    await asyncio.sleep(0)
    told.append((monitor.begin.disabled, monitor.end.disabled))
    await stopping
    told.append((monitor.begin.disabled, monitor.end.disabled))

    assert told == [(False, True), (True, False), (True, True), (False, True)]


async def test_the_buttons_start_and_stop() -> None:
    processor, _, _ = build()
    read = asyncio.Event()
    monitor = endless(processor, read)

    monitor.begin.click()
    await read.wait()
    monitor.end.click()
    assert monitor._pressed is not None
    await monitor._pressed

    assert monitor.run is not None
    assert not monitor.run.is_running
    assert monitor.nodes.filter(node="event-source")["rows"].item() == 200


async def test_a_second_run_begins_with_nothing() -> None:
    monitor = monitored()
    first = await monitor.start()
    await over(monitor)

    second = await monitor.start()
    await over(monitor)

    assert second is not first
    assert monitor.nodes.filter(node="event-source")["rows"].item() == 200


async def test_a_run_that_fails_says_why_in_a_sentence() -> None:
    processor, _, _ = build()

    async def broken(batch: pl.DataFrame) -> None:
        raise OSError("disk <full>")

    processor.graph.nodes["joined-data-sink"] = ev.SinkNode(broken, batch_size=10)
    once = ev.DeliveryPolicy(max_in_flight=1, retry=ev.Retry(max_attempts=1))
    monitor = LiveMonitor(
        processor, lambda: processor.start(log_of(EVENTS), micro_batch=SMALL, delivery=once)
    )

    await monitor.start()
    await over(monitor)

    assert monitor.notice.text == (
        "The run has failed: order-analytics: OSError: disk <full>. What is shown is how far it came."
    )
    assert "&lt;full&gt;" in monitor.notice.value
    assert not monitor.begin.disabled


async def test_a_start_that_fails_is_said_and_can_be_tried_again() -> None:
    processor, _, _ = build()

    async def refuse() -> ev.LiveRun:
        raise StreamError("no connection")

    monitor = LiveMonitor(processor, refuse)
    monitor.begin.click()
    assert monitor._pressed is not None
    await monitor._pressed

    assert "no connection" in monitor.notice.text
    assert not monitor.begin.disabled
    with pytest.raises(StreamError, match="no connection"):
        await monitor.start()


async def test_without_a_function_there_is_no_start() -> None:
    processor, _, _ = build()
    monitor = LiveMonitor(processor)

    assert monitor.begin.disabled
    with pytest.raises(StreamError, match="nothing to start a run with"):
        await monitor.start()


async def test_it_redraws_three_times_a_second_at_most() -> None:
    clock, read = ev.ManualClock(), asyncio.Event()
    processor, _, _ = build()

    async def silent() -> AsyncIterator[ev.Event]:
        read.set()
        await asyncio.Event().wait()
        yield EVENTS[0]

    monitor = LiveMonitor(processor, lambda: processor.start(silent(), schema=SCHEMA), clock=clock)
    await monitor.start()
    await read.wait()
    looks = monitor.history.queues().height
    await clock.advance("3s")
    seen = (monitor.history.queues().height - looks) // 3
    await monitor.stop()

    assert 9 <= seen <= 11


async def test_each_look_is_one_message_to_the_figure() -> None:
    monitor = monitored()
    run = await monitor.start()
    await over(monitor)
    messages: list[object] = []
    monitor.figure.observe(lambda change: messages.append(change["new"]), names="_py2js_update")

    monitor._look(run)

    assert len([message for message in messages if message]) == 1


async def test_closing_leaves_the_run_alone() -> None:
    processor, _, _ = build()
    read = asyncio.Event()
    monitor = endless(processor, read)
    run = await monitor.start()
    await read.wait()

    monitor.close()
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert run.is_running
    assert monitor._following is not None
    assert monitor._following.done()
    await processor.stop()


async def test_events_that_do_not_fit_are_told() -> None:
    odd = ev.Event(id="odd", type="order.created", source="s", time=EVENTS[0].time, data={"total": "ten"})
    processor, _, _ = build()

    async def events() -> AsyncIterator[ev.Event]:
        yield EVENTS[0]
        yield odd

    monitor = LiveMonitor(processor, lambda: processor.start(events(), schema=SCHEMA))
    await monitor.start()
    await over(monitor)

    assert "1 of them did not fit the schema" in monitor._status.value


async def test_a_publisher_is_shown_as_well() -> None:
    processor, _, _ = build()
    async with (
        ev.EmbeddedEventService() as service,
        ev.EventPublisher(service, ev.BatchPolicy(max_batch_size=50, flush_interval="1h")) as publisher,
    ):
        for event in EVENTS[:60]:
            await publisher.queue_event(event)
        monitor = LiveMonitor(processor, publisher=publisher)
        monitor.history.look()

        assert monitor.nodes.row(0, named=True)["node"] == "publisher"
        assert monitor.nodes["waiting"][0] == 60 - monitor.nodes["rows"][0]


def test_without_a_loop_it_shows_the_graph_and_follows_nothing() -> None:
    processor, _, _ = build()
    monitor = LiveMonitor(processor)

    assert bars(monitor, "live") == [0] * 8
    assert monitor.end.disabled
