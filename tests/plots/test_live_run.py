"""Pictures of a live run: what is in their traces, titles and axes."""

import polars as pl
import pytest

from evanalytics.plots import live_run
from evanalytics.plots.live_run import run_board, run_figure
from evanalytics.plots.panel import update_figure
from evanalytics.plots.stream_graph import KIND_COLORS

KINDS = {"in": "source", "one": "transform", "two": "transform", "out": "sink"}


def nodes(
    rows: list[int], beside: list[int | None] | None = None, names: list[str] | None = None
) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "node": names or list(KINDS),
            "kind": list(KINDS.values()),
            "rows": rows,
            "beside": beside or [None] * 4,
        },
        schema_overrides={"beside": pl.Int64},
    )


def rates(values: dict[str, list[float]]) -> pl.DataFrame:
    rows = [(0.5 * place, name, rate) for name, found in values.items() for place, rate in enumerate(found)]
    schema = {"at_s": pl.Float64, "node": pl.String, "rows_per_s": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def queues(values: dict[str, list[int]]) -> pl.DataFrame:
    rows = [(0.5 * place, name, held) for name, found in values.items() for place, held in enumerate(found)]
    schema = {"at_s": pl.Float64, "queue": pl.String, "rows": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def latencies(rows: list[tuple[str, int, float]]) -> pl.DataFrame:
    return pl.DataFrame(
        rows, schema={"what": pl.String, "below_ms": pl.Int64, "share": pl.Float64}, orient="row"
    )


NO_RATES, WAITING, NO_TIMES = rates({}), queues({"events": [0], "out": [0]}), latencies([])


def test_live_rows_stand_in_front_of_those_of_the_replay() -> None:
    figure = live_run(nodes([5, 4, 3, 2], [10, 10, 10, 10]), NO_RATES, WAITING, NO_TIMES)
    behind, live = figure.data[:2]

    assert list(behind.x) == [10] * 4
    assert list(live.x) == [5, 4, 3, 2]
    assert behind.width > live.width
    assert list(live.text) == ["5", "4", "3", "2"]
    assert figure.layout.barmode == "overlay"


def test_a_legend_tells_of_the_replay_where_there_is_one() -> None:
    with_one = live_run(nodes([1] * 4, [1] * 4), NO_RATES, WAITING, NO_TIMES)
    without = live_run(nodes([1] * 4), NO_RATES, WAITING, NO_TIMES)

    assert "batch replay" in with_one.layout.annotations[0].text
    assert "batch replay" not in without.layout.annotations[0].text


def test_the_rows_axis_holds_both_runs() -> None:
    figure = live_run(nodes([7] * 4, [900, 1, 1, 1]), NO_RATES, WAITING, NO_TIMES)

    assert figure.layout.xaxis.range[1] > 900


def test_a_node_has_one_colour_and_lines_of_a_kind_differ() -> None:
    shown = rates({name: [1.0, 2.0] for name in KINDS})
    figure = live_run(nodes([1] * 4), shown, WAITING, NO_TIMES)
    lines = {trace.name: trace.line for trace in figure.data if trace.name in KINDS and trace.yaxis == "y2"}

    assert {name: stroke.color for name, stroke in lines.items()} == {
        name: KIND_COLORS[kind] for name, kind in KINDS.items()
    }
    assert lines["one"].dash != lines["two"].dash
    assert list(figure.data[1].marker.color) == [KIND_COLORS[kind] for kind in KINDS.values()]


def test_latencies_are_bars_by_doublings() -> None:
    times = latencies([("micro-batch", 1, 0.25), ("micro-batch", 64, 0.75), ("out", 2_048, 1.0)])
    figure = live_run(nodes([1] * 4), NO_RATES, WAITING, times)
    bars = {trace.name: trace for trace in figure.data if trace.xaxis == "x4"}

    assert [round(at) for at in bars["micro-batch"].x] == [0, 6]
    assert [round(at) for at in bars["out"].x] == [11]
    assert list(bars["micro-batch"].y) == [0.25, 0.75]
    assert figure.layout.xaxis4.ticktext[11] == "2k"


def test_every_axis_has_a_title() -> None:
    figure = live_run(nodes([1] * 4), NO_RATES, WAITING, NO_TIMES)

    assert [axis.title.text for axis in figure.select_xaxes()] == [
        "rows", "time since the start (s)", "time since the start (s)", "below (ms)",
    ]  # fmt: skip
    assert [axis.title.text for axis in figure.select_yaxes()] == [
        "node",
        "rows/s",
        "rows waiting",
        "share (%)",
    ]


def test_text_from_a_graph_is_no_code() -> None:
    nasty = "<script>alert(1)</script>" + "x" * 300
    figure = live_run(
        nodes([1] * 4, names=[nasty, "b", "c", "d"]),
        rates({nasty: [1.0]}),
        queues({"events": [1], nasty: [1]}),
        NO_TIMES,
    )
    text = figure.to_json()

    assert "<script" not in text
    assert "x" * 60 not in text


@pytest.mark.parametrize(("many", "shown"), [(2, "counts b…pe sink"), (4, "count… sink")])
def test_many_queues_have_shorter_names(many: int, shown: str) -> None:
    names = [f"{number} by type sink" for number in range(many - 1)]
    held = queues({"counts by type sink": [1], **{name: [1] for name in names}})
    figure = live_run(nodes([1, 1, 1, 1]), rates({}), held, latencies([]))

    title = next(text.text for text in figure.layout.annotations if "Waiting" in text.text)
    assert f"> {shown}" in title


def test_a_board_turns_into_the_next_one() -> None:
    before = run_board(nodes([0] * 4), NO_RATES, WAITING, NO_TIMES)
    after = run_board(
        nodes([8, 6, 2, 1]),
        rates({name: [0.0, 8.0] for name in KINDS}),
        queues({"events": [3, 0], "out": [0, 1]}),
        latencies([("micro-batch", 4_096, 1.0)]),
        remark="now",
    )
    figure = run_figure(before)

    update_figure(figure, before, after)

    assert list(figure.data[1].x) == [8, 6, 2, 1]
    assert figure.layout.annotations[-2].text == "now"
    assert len(figure.layout.xaxis4.tickvals) == 13


@pytest.mark.parametrize(
    ("highest", "top"), [(0.0, 10), (11.0, 20), (200.0, 200), (4_001.0, 5_000), (9_999.0, 10_000)]
)
def test_the_rates_axis_ends_at_a_round_number(highest: float, top: float) -> None:
    figure = live_run(nodes([1] * 4), rates({"in": [highest]}), WAITING, NO_TIMES)

    assert figure.layout.yaxis2.range[1] == pytest.approx(1.08 * top)


def test_a_graph_of_many_nodes_gets_room() -> None:
    many = pl.concat([nodes([1] * 4, names=[f"{part}{name}" for name in KINDS]) for part in range(10)])
    small = live_run(nodes([1] * 4), NO_RATES, WAITING, NO_TIMES)

    assert live_run(many, NO_RATES, WAITING, NO_TIMES).layout.height > small.layout.height + 600
