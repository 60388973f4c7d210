"""What is wrong with a graph is said before it runs, with the node, what was found and what would do."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

import evanalytics as ev
from evanalytics.exceptions import PolicyError, StreamError


@pytest.fixture
def log() -> ev.EventLog:
    frame = pl.DataFrame(
        {
            "id": ["1", "2"],
            "type": ["order.created", "payment.processed"],
            "source": "shop",
            "time": [datetime(2026, 1, 1, tzinfo=UTC)] * 2,
            "data__orderId": ["a", "a"],
            "data__number": [1, 2],
            "data__total": [10.0, None],
        }
    )
    return ev.EventLog.from_frame(frame)


def counter(*keys: str, windows: object = ev.TumblingWindow("1h")) -> ev.AggregatorNode:
    return ev.AggregatorNode(windows=windows, keys=keys or ["all"], aggregator=ev.WindowedCounter())  # type: ignore[arg-type]


def test_the_seed_documents_own_key_is_found_without_a_log() -> None:
    processor = ev.StreamProcessor("order-analytics")
    shape = ev.TransformNode({"order_id": "data.orderId", "amount": "data.total", "status": "data.status"})
    orders = processor.add_source("orders").connect_to(processor.add_node("order-transformer", shape))
    orders.connect_to(processor.add_node("order-metrics", counter("order_status")))

    with pytest.raises(
        StreamError,
        match=r"order-metrics: key 'order_status' is not a column of order-transformer \(it has order_id, amount, status\); did you mean 'status'\?",
    ):
        processor.validate()


def test_a_column_that_the_log_has_not_is_named_with_the_nearest(log: ev.EventLog) -> None:
    processor = ev.StreamProcessor("p")
    shape = ev.TransformNode({"amount": ev.col("data.totl") * 2})
    processor.add_source("events").connect_to(processor.add_node("shape", shape))

    processor.validate()
    with pytest.raises(
        StreamError,
        match=r"shape: column 'amount': 'data__totl' is not a column of events .* did you mean 'data__total'\?",
    ):
        processor.validate(log)


def test_keys_of_different_types_do_not_join(log: ev.EventLog) -> None:
    processor = ev.StreamProcessor("p")
    source = processor.add_source("events")
    left = source.connect_to(processor.add_node("l", ev.TransformNode({"k": "data.orderId"})))
    right = source.connect_to(processor.add_node("r", ev.TransformNode({"k": "data.number"})))
    join = processor.add_node("join", ev.JoinNode(left_key="k", right_key="k", join_window="1h"))
    left.connect_to(join, "left")
    right.connect_to(join, "right")

    with pytest.raises(
        StreamError, match="join: the keys differ in type: left 'k' is String, right 'k' is Int64"
    ):
        processor.run(log)


def test_an_input_that_nothing_feeds_is_named() -> None:
    processor = ev.StreamProcessor("p")
    join = processor.add_node("join", ev.JoinNode(left_key="id", right_key="id", join_window="1h"))
    processor.add_source("events").connect_to(join, "left")

    with pytest.raises(StreamError, match="join: input 'right' is not connected"):
        processor.validate()


def test_a_circle_is_named() -> None:
    processor = ev.StreamProcessor("p")
    processor.add_source("events")
    one = processor.add_node("one", ev.TransformNode({"a": "id"}))
    two = processor.add_node("two", ev.TransformNode({"a": "a"}))
    one.connect_to(two).connect_to(one)

    with pytest.raises(StreamError, match="circle: one -> two -> one"):
        processor.validate()


def test_a_window_of_zero_is_refused() -> None:
    with pytest.raises(PolicyError, match=r"TumblingWindow\.width: must be more than zero"):
        ev.TumblingWindow("0s")


def test_a_time_zone_needs_whole_days() -> None:
    with pytest.raises(PolicyError, match="a zone needs windows of whole days, got 1h"):
        ev.TumblingWindow("1h", tz="Europe/Berlin")


def test_a_zone_that_is_none_is_refused() -> None:
    with pytest.raises(PolicyError, match="no time zone 'Mars/Olympus'"):
        ev.TumblingWindow("1d", tz="Mars/Olympus")


def test_a_join_behind_a_join_is_refused() -> None:
    processor = ev.StreamProcessor("p")
    source = processor.add_source("events")
    first = processor.add_node("first", ev.JoinNode(left_key="id", right_key="id", join_window="1h"))
    second = processor.add_node("second", ev.JoinNode(left_key="left__id", right_key="id", join_window="1h"))
    source.connect_to(first, "left")
    source.connect_to(first, "right")
    first.connect_to(second, "left")
    source.connect_to(second, "right")

    with pytest.raises(StreamError, match="second: a join cannot stand behind the join first"):
        processor.validate()


def test_a_filter_document_behind_a_transform_is_refused() -> None:
    processor = ev.StreamProcessor("p")
    shaped = processor.add_source("events").connect_to(
        processor.add_node("shape", ev.TransformNode({"a": "id"}))
    )
    shaped.connect_to(processor.add_node("some", ev.FilterNode({"x": ev.filter({"type": "a"})})))

    with pytest.raises(
        StreamError, match=r"some: filter 'x': ev\.filter reads events, and shape has made other columns"
    ):
        processor.validate()


def test_a_condition_that_is_none_is_refused(log: ev.EventLog) -> None:
    processor = ev.StreamProcessor("p")
    node = ev.FilterNode({"x": ev.col("data.total") + 1})
    processor.add_source("events").connect_to(processor.add_node("some", node))

    with pytest.raises(StreamError, match="some: filter 'x': needs a condition, this is Float64"):
        processor.validate(log)


def test_a_sum_of_texts_is_refused(log: ev.EventLog) -> None:
    processor = ev.StreamProcessor("p")
    node = ev.AggregatorNode(windows=ev.TumblingWindow("1h"), aggregator=ev.WindowedSum("data.orderId"))
    processor.add_source("events").connect_to(processor.add_node("sums", node))

    with pytest.raises(StreamError, match=r"sums: .* needs numbers, column 'data__orderId' is String"):
        processor.validate(log)


def test_a_key_of_fractions_is_refused(log: ev.EventLog) -> None:
    processor = ev.StreamProcessor("p")
    processor.add_source("events").connect_to(processor.add_node("counts", counter("data.total")))

    with pytest.raises(
        StreamError, match="key 'data__total' is Float64; a key is text, a whole number or a boolean"
    ):
        processor.validate(log)


def test_a_graph_without_a_source_says_how_to_begin() -> None:
    with pytest.raises(StreamError, match="has no source; begin with add_source"):
        ev.StreamProcessor("p").validate()
