import itertools

import plotly.graph_objects as go
import polars as pl

from evanalytics.plots import stream_graph
from evanalytics.plots.panel import update_figure
from evanalytics.plots.stream_graph import KIND_COLORS, graph_board, graph_figure, with_frame

NASTY = "<script>alert(1)</script>$x$" + "y" * 5_000


def nodes(names: list[str], *, seconds: float | None = None) -> pl.DataFrame:
    kinds = ["source", "filter", "transform", "sink"]
    return pl.DataFrame(
        {
            "node": names,
            "kind": [kinds[min(place, 3)] for place in range(len(names))],
            "columns": [["amount Float64"]] * len(names),
            "seconds": [seconds] * len(names),
        },
        schema_overrides={"seconds": pl.Float64},
    )


def edges(names: list[str], rows: int | None = None, output: str = "out") -> pl.DataFrame:
    ends = list(itertools.pairwise(names))
    return pl.DataFrame(
        [(begin, output, end, "in", rows) for begin, end in ends],
        schema={
            "from_node": pl.String, "output": pl.String, "to_node": pl.String, "input": pl.String,
            "rows": pl.Int64,
        },
        orient="row",
    )  # fmt: skip


def losses(rows: list[tuple[str, str, str, int, float]]) -> pl.DataFrame:
    schema = {"node": pl.String, "part": pl.String, "what": pl.String, "rows": pl.Int64, "share": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def boxes(figure: go.Figure) -> go.Bar:
    return next(trace for trace in figure.data if trace.type == "bar")


def trace(figure: go.Figure, name: str) -> go.Scatter:
    return next(trace for trace in figure.data if trace.name == name)


def test_each_node_is_a_box_with_its_name_kind_and_time() -> None:
    figure = stream_graph(nodes(["a", "b"], seconds=0.25), edges(["a", "b"]), losses([]))

    assert list(boxes(figure).text) == ["<b>a</b><br>source · 250 ms", "<b>b</b><br>filter · 250 ms"]
    assert list(boxes(figure).marker.color) == [KIND_COLORS["source"], KIND_COLORS["filter"]]


def test_edges_say_their_output_and_their_rows() -> None:
    figure = stream_graph(nodes(["a", "b"]), edges(["a", "b"], 12_345, "orders"), losses([]))

    assert list(trace(figure, "labels").text) == ["orders<br>12,345"]
    assert "a.orders → b.in<br>12,345 rows" in trace(figure, "labels").customdata


def test_what_was_lost_is_in_the_box_and_part_by_part_in_its_hover() -> None:
    lost = losses([("b", "1m · all", "late", 5, 0.05), ("b", "1h · all", "late", 0, 0.0)])
    figure = stream_graph(nodes(["a", "b"]), edges(["a", "b"]), lost)

    assert "5.0 % late" in boxes(figure).text[1]
    assert "late" not in boxes(figure).text[0]
    assert "1m · all: 5 late (5.0 %)" in boxes(figure).customdata[1]


def test_the_hover_lists_the_columns() -> None:
    figure = stream_graph(nodes(["a"]), edges(["a"]), losses([]))

    assert "amount Float64" in boxes(figure).customdata[0]


def test_late_rows_go_along_a_dotted_line() -> None:
    figure = stream_graph(nodes(["a", "b"]), edges(["a", "b"], 3, "late"), losses([]))

    assert trace(figure, "late, unmatched and duplicate rows").line.dash == "dot"
    assert len(trace(figure, "late, unmatched and duplicate rows").x) > 2
    assert len(trace(figure, "labels").x) == 1


def test_names_are_text_whatever_they_hold() -> None:
    figure = stream_graph(
        nodes([NASTY, "b"]), edges([NASTY, "b"], 1, NASTY), losses([(NASTY, NASTY, "late", 1, 0.5)])
    )
    shown = figure.to_json()

    assert "<script" not in shown
    assert "\\u003cscript" not in shown
    assert "y" * 200 not in shown


def test_long_names_are_broken_into_two_lines() -> None:
    names = ["a", "b", "c", "d", "payment-of-orders-transformer"]
    figure = stream_graph(nodes(names), edges(names), losses([]))

    assert boxes(figure).text[4].startswith("<b>payment-of-</b><br><b>")


def test_a_frame_around_another_node_is_all_that_changes() -> None:
    frames = nodes(["a", "b", "c"]), edges(["a", "b", "c"]), losses([])
    one, other = (graph_board(*frames, selected=name) for name in ("a", "c"))

    assert with_frame(one, 2) == other


def test_the_selected_node_has_a_frame_that_moves_in_one_update() -> None:
    frames = nodes(["a", "b"]), edges(["a", "b"]), losses([])
    before, after = (graph_board(*frames, selected=name) for name in (None, "b"))
    figure = graph_figure(before)
    assert len(trace(figure, "selected").x) == 0

    update_figure(figure, before, after)

    assert min(trace(figure, "selected").x) < 1 < max(trace(figure, "selected").x)


def test_a_graph_of_many_layers_and_lanes_has_its_height() -> None:
    names = ["a", *(f"n{number}" for number in range(12))]
    wide = pl.concat([edges(["a", name]) for name in names[1:]])
    figure = stream_graph(nodes(names), wide, losses([]))

    assert figure.layout.height > 12 * 90
    assert all(len(one.x) <= 2_000 for one in figure.data)
