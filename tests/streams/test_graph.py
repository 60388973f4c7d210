"""Building a graph: names, connections, and what is refused."""

from __future__ import annotations

import pytest

import evanalytics as ev
from evanalytics.exceptions import StreamError
from evanalytics.streams.graph import Port

SPLIT = {"orders": ev.filter({"type": "order"}), "left": ev.filter({"type": "payment"})}


def join() -> ev.JoinNode:
    return ev.JoinNode(left_key="id", right_key="id", join_window="1h")


def test_connect_to_takes_the_name_of_an_output() -> None:
    processor = ev.StreamProcessor("p")
    split = processor.add_source("events").connect_to(processor.add_node("split", ev.FilterNode(SPLIT)))
    split.connect_to(processor.add_node("shape", ev.TransformNode({"a": "id"})), "orders")

    assert processor.graph.inputs("shape") == {"in": [Port("split", "orders")]}


def test_connect_to_takes_the_name_of_an_input() -> None:
    processor = ev.StreamProcessor("p")
    processor.add_source("events").connect_to(processor.add_node("join", join()), "right")

    assert processor.graph.inputs("join") == {"left": [], "right": [Port("events", "out")]}


def test_a_name_that_both_ends_have_must_be_told_apart() -> None:
    processor = ev.StreamProcessor("p")
    split = processor.add_node("split", ev.FilterNode(SPLIT))
    other = processor.add_node("join", join())

    with pytest.raises(StreamError, match="say output= or input="):
        split.connect_to(other, "left")


def test_both_ends_can_be_named() -> None:
    processor = ev.StreamProcessor("p")
    split = processor.add_node("split", ev.FilterNode(SPLIT))
    split.connect_to(processor.add_node("join", join()), output="left", input="right")

    assert processor.graph.inputs("join")["right"] == [Port("split", "left")]


def test_a_filter_with_several_outputs_wants_to_know_which() -> None:
    processor = ev.StreamProcessor("p")
    split = processor.add_node("split", ev.FilterNode(SPLIT))

    with pytest.raises(StreamError, match="split: has 3 outputs; name one of orders, left, unmatched"):
        split.connect_to(processor.add_node("shape", ev.TransformNode({"a": "id"})))


def test_an_input_takes_one_connection() -> None:
    processor = ev.StreamProcessor("p")
    shape = processor.add_node("shape", ev.TransformNode({"a": "id"}))
    processor.add_source("one").connect_to(shape)

    with pytest.raises(StreamError, match="shape: input 'in' is connected already"):
        processor.add_source("two").connect_to(shape)


def test_a_name_is_given_once() -> None:
    processor = ev.StreamProcessor("p")
    processor.add_source("events")

    with pytest.raises(StreamError, match="events: there is a node of this name already"):
        processor.add_source("events")


def test_a_node_of_another_processor_is_refused() -> None:
    other = ev.StreamProcessor("other").add_node("shape", ev.TransformNode({"a": "id"}))

    with pytest.raises(StreamError, match="needs a node of the same processor"):
        ev.StreamProcessor("p").add_source("events").connect_to(other)


def test_types_as_one_text_are_refused() -> None:
    with pytest.raises(StreamError, match="types needs a list of event types, got 'order'"):
        ev.StreamProcessor("p").add_source("events", types="order")


def test_a_sink_has_nothing_to_connect() -> None:
    processor = ev.StreamProcessor("p")
    sink = processor.add_node("sink", ev.SinkNode(len))

    with pytest.raises(StreamError, match="sink: has no output"):
        sink.connect_to(processor.add_node("shape", ev.TransformNode({"a": "id"})))
