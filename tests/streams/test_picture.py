"""The frames of a picture say what the run counted: rows on every edge, shares of what was lost."""

import random
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

import evanalytics as ev
from evanalytics.exceptions import StreamError
from evanalytics.streams.checks import check
from evanalytics.streams.picture import losses_of, picture_of
from tests.streams.random_graphs import pipeline, random_case, random_log

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def shop_log() -> ev.EventLog:
    """Six orders a minute apart, four of them paid; one order comes two days late."""
    minutes = [0, 1, 2, 3, 4, -2_880, 0, 1, 2, 3]
    return ev.EventLog.from_frame(
        pl.DataFrame(
            {
                "id": [str(number) for number in range(10)],
                "type": ["order"] * 6 + ["payment"] * 4,
                "source": ["shop"] * 10,
                "time": [BEGIN + timedelta(minutes=minute) for minute in minutes],
                "data__key": ["a", "b", "c", "d", None, "f", "a", "b", "c", "d"],
            }
        )
    )


def shop(*, complete: bool = True) -> ev.StreamProcessor:
    p = ev.StreamProcessor("shop")
    kinds = {"orders": ev.filter({"type": "order"}), "payments": ev.filter({"type": "payment"})}
    split = p.add_source("events").connect_to(p.add_node("split", ev.FilterNode(kinds)))
    orders = split.connect_to(p.add_node("order", ev.TransformNode({"key": "data.key"})), "orders")
    paid = split.connect_to(p.add_node("payment", ev.TransformNode({"key": "data.key"})), "payments")
    node = ev.JoinNode(left_key="key", right_key="key", join_window="1h", output_complete=complete)
    join = orders.connect_to(p.add_node("join", node), "left")
    paid.connect_to(join, "right")
    counts = ev.AggregatorNode(windows=ev.HoppingWindow("1h", "30m"), aggregator=ev.WindowedCounter())
    metrics = orders.connect_to(p.add_node("metrics", counts))
    metrics.connect_to(p.add_node("metrics-sink", ev.SinkNode(print)))
    join.connect_to(p.add_node("pairs-sink", ev.SinkNode(print)))
    join.connect_to(p.add_node("late-sink", ev.SinkNode(print)), output="late_left")
    return p


def rows(result: ev.StreamResult) -> dict[tuple[str, str, str], int | None]:
    edges = result.picture().edges
    return {(row["from_node"], row["output"], row["to_node"]): row["rows"] for row in edges.to_dicts()}


def test_each_edge_has_the_rows_that_flowed_on_it() -> None:
    found = rows(shop().run(shop_log()))

    assert found[("events", "out", "split")] == 10
    assert found[("split", "orders", "order")] == 6
    assert found[("order", "out", "join")] == 6
    assert found[("order", "out", "metrics")] == 6  # not twice, though each row is in two windows
    assert found[("join", "out", "pairs-sink")] == 4
    assert found[("join", "late_left", "late-sink")] == 1


@pytest.mark.parametrize("seed", range(8))
def test_an_edge_carries_what_the_output_holds(seed: int) -> None:
    draw = random.Random(seed)
    log = ev.EventLog.from_frame(random_log(draw, 80))
    result = pipeline(random_case(draw), heavy=False).run(log)

    for (node, output, _), number in rows(result).items():
        assert number == result.results(node, output).height, (node, output)


def test_losses_have_their_share_of_what_came_in() -> None:
    losses = shop().run(shop_log()).picture().losses
    of_orders = losses.filter(node="join", part="left")

    assert of_orders.select("what", "rows").rows() == [("null key", 1), ("late", 1), ("unmatched", 0)]
    assert of_orders["share"].to_list() == pytest.approx([1 / 6, 1 / 6, 0])


def test_losses_of_nothing_are_no_share() -> None:
    counts = pl.DataFrame({"node": ["a", "a"], "part": ["", ""], "what": ["in", "late"], "rows": [0, 0]})

    assert losses_of(counts)["share"].to_list() == [0.0]


def test_before_a_run_nothing_has_flowed() -> None:
    graph = shop().graph
    picture = picture_of(graph, check(graph))

    assert picture.edges["rows"].null_count() == picture.edges.height == 9
    assert picture.nodes["seconds"].null_count() == picture.nodes.height == 9
    assert picture.losses.is_empty()


def test_nodes_come_after_those_that_feed_them_with_outputs_and_columns() -> None:
    result = shop().run(shop_log())
    nodes = result.picture().nodes

    assert nodes["node"].to_list()[:2] == ["events", "split"]
    assert nodes.filter(node="split")["outputs"][0].to_list() == ["orders", "payments", "unmatched"]
    assert "key String" in nodes.filter(node="order")["columns"][0].to_list()
    assert "count Int64" in nodes.filter(node="metrics-sink")["columns"][0].to_list()


def test_a_graph_with_something_wrong_is_not_drawn() -> None:
    p = ev.StreamProcessor("broken")
    p.add_node("counts", ev.AggregatorNode(windows=ev.TumblingWindow("1h"), aggregator=ev.WindowedCounter()))

    with pytest.raises(StreamError, match="no source"):
        p.figure()
