"""Pictures of settings: what is in their traces, titles and axes."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from evanalytics.delivery.arrivals import Arrivals
from evanalytics.plots import queueing, tradeoff, tuning
from evanalytics.plots.numbers import floats
from evanalytics.plots.panel import Board
from evanalytics.plots.tuner_boards import details_board, details_figure, live_board, live_figure
from evanalytics.tuning.explore import explain, map_settings
from evanalytics.tuning.pareto import pareto_front
from evanalytics.tuning.retune import Retuner, with_rate
from evanalytics.tuning.settings import Settings

ARRIVALS = Arrivals.of_times(np.random.default_rng(1).integers(0, 600_000_000_000, 2_000))
SETTINGS = with_rate(Settings(), 5, "sliding_window")
RETUNED = Retuner(ARRIVALS).retune(SETTINGS)
EXPLAINED = explain(ARRIVALS, SETTINGS)
GRID = map_settings(ARRIVALS, SETTINGS)


def board(**changes: object) -> Board:
    parts = {"queue": EXPLAINED.queue, "waits": EXPLAINED.waits, "grid": GRID, "tried": GRID}
    return details_board(**{**parts, "front": pareto_front(GRID), **changes})  # type: ignore[arg-type]


def test_the_goal_is_a_line_at_its_latency() -> None:
    figure = tuning.latency(RETUNED.latency, goal_s=2)
    goal = next(trace for trace in figure.data if trace.name == "goal")

    assert list(goal.x) == [2, 2]


def test_without_a_goal_there_is_no_line() -> None:
    goal = next(trace for trace in tuning.latency(RETUNED.latency).data if trace.name == "goal")

    assert list(goal.x) == []


def test_the_latency_axis_covers_whole_decades_of_all_that_is_shown() -> None:
    pinned = pl.DataFrame({"latency_s": [0.002, 40.0], "share": [0.1, 1.0]})

    low, high = tuning.latency(RETUNED.latency, pinned=pinned, goal_s=2).layout.xaxis.range

    assert 10**low <= 0.001
    assert 10**high >= 100


def test_bars_are_stacked_by_reason() -> None:
    figure = tuning.batch_sizes(
        pl.DataFrame({"up_to": [1, 2], "size": [0, 5], "age": [3, 1], "bytes": [0, 0]})
    )
    heights = {trace.name: list(trace.y)[:2] for trace in figure.data if trace.type == "bar"}

    assert heights == {"size": [0, 5], "age": [3, 1], "bytes": [0, 0]}
    assert figure.layout.barmode == "stack"


def test_bars_are_named_by_the_sizes_they_hold() -> None:
    figure = tuning.batch_sizes(RETUNED.sizes)

    assert list(figure.layout.xaxis.ticktext)[:5] == ["1", "2", "3–4", "5–8", "9–16"]


def test_pinned_batches_are_an_outline_of_all_reasons() -> None:
    sizes = pl.DataFrame({"up_to": [1, 2], "size": [0, 5], "age": [3, 1], "bytes": [0, 0]})
    outline = next(trace for trace in tuning.batch_sizes(sizes, pinned=sizes).data if trace.name == "pinned")

    assert list(outline.y) == [3, 6]


def test_live_lies_beside_simulated() -> None:
    curves = pl.DataFrame({"run": ["simulated", "live"], "latency_s": [1.0, 1.1], "share": [1.0, 1.0]})

    assert [list(trace.x) for trace in tuning.live_beside_simulated(curves).data] == [[1.0], [1.1]]


def test_waits_are_stacked_in_seconds() -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    frame = pl.DataFrame({"time": [begin] * 2, "cause": ["batching", "service"], "mean_ns": [2e9, 5e8]})
    heights = {trace.name: list(trace.y) for trace in queueing.waits(frame).data}

    assert heights == {"batching": [2.0], "slot": [], "tokens": [], "backoff": [], "service": [0.5]}


def test_tokens_are_per_second_beside_their_limit() -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    frame = pl.DataFrame(
        {
            "time": [begin + timedelta(seconds=2), begin + timedelta(seconds=4)],
            "at_ns": [2_000_000_000, 4_000_000_000],
            "tokens": [10, 4],
        }
    )
    spent, limit = queueing.tokens_over_time(frame, limit_per_second=6).data

    assert (list(spent.y), list(limit.y)) == ([5, 2], [6, 6])


def test_instants_are_texts_in_utc() -> None:
    assert queueing.waits(EXPLAINED.waits).data[0].x[0].startswith("1970-01-01T00:00:")


def test_evenly_spaced_instants_are_a_beginning_and_a_step() -> None:
    trace = queueing.queue_depth(EXPLAINED.queue).data[0]
    last = datetime.fromisoformat(trace.x0) + (len(trace.y) - 1) * timedelta(milliseconds=trace.dx)

    assert trace.x is None
    assert trace.x0 == EXPLAINED.queue["time"][0].strftime("%Y-%m-%dT%H:%M:%S.%f")
    assert abs(last - EXPLAINED.queue["time"][-1].replace(tzinfo=None)) <= timedelta(milliseconds=1)


def test_the_map_has_a_cell_per_setting_with_its_requests() -> None:
    cells = tradeoff.settings_map(GRID, goal_s=2).data[0]
    single = GRID.filter(pl.col("max_batch_size") == 1)["requests"]

    assert (len(cells.z), len(cells.z[0])) == (10, 12)
    assert set(cells.text[0]) == {tradeoff._count_text(float(value)) for value in single}


def test_cells_that_meet_the_goal_are_below_zero() -> None:
    cells = tradeoff.settings_map(GRID, goal_s=2).data[0]
    meets = GRID.sort("max_batch_size", "flush_interval_us")["p99_ns"].to_numpy().reshape(10, 12) <= 2e9

    assert np.array_equal(np.array(cells.z, dtype=float) <= 0, meets)


def test_a_goal_on_another_latency_colours_the_map_by_that_one() -> None:
    slow_at_last = GRID.with_columns(p99_ns=pl.lit(1), p99_9_ns=pl.lit(60_000_000_000))
    figure = tradeoff.settings_map(slow_at_last, latency="p99_9_ns", goal_s=5)

    assert min(value for row in figure.data[0].z for value in row) > 0
    assert figure.data[0].customdata[0][0].startswith("p99.9 60 s")


def test_a_map_without_a_goal_does_not_speak_of_one() -> None:
    assert "goal" not in tradeoff.settings_map_panel(GRID).title
    assert "goal" in tradeoff.settings_map_panel(GRID, goal_s=2).title


def test_the_front_is_drawn_over_the_latency_of_the_goal() -> None:
    panel = tradeoff.pareto_panel(GRID, pareto_front(GRID, latency="max_ns"), latency="max_ns")
    front = next(trace for trace in panel.traces if trace["name"] == "front")

    assert front["y"] == floats(pareto_front(GRID, latency="max_ns")["max_ns"] / 1e9)
    assert panel.yaxis["title"]["text"] == "max latency"


def test_settings_that_lost_events_leave_their_cell_empty() -> None:
    lost = GRID.with_columns(p99_ns=pl.lit(None, dtype=pl.Int64))
    cells = tradeoff.settings_map(lost).data[0]

    assert {value for row in cells.z for value in row} == {None}
    assert "handed back" in cells.customdata[0][0]


def test_the_recommended_point_stands_where_its_numbers_are() -> None:
    point = {"requests": 300, "p99_ns": 1_500_000_000}
    figure = tradeoff.pareto(GRID, pareto_front(GRID), recommended=point, goal_s=2)
    star = next(trace for trace in figure.data if trace.name == "recommended")

    assert (list(star.x), list(star.y)) == ([300], [1.5])


@pytest.mark.parametrize("empty", [False, True], ids=["filled", "empty"])
def test_boards_have_the_same_traces_whatever_the_data(empty: bool) -> None:
    heads = {"queue": EXPLAINED.queue, "waits": EXPLAINED.waits, "grid": GRID, "tried": GRID, "front": GRID}
    changes = {name: frame.clear() for name, frame in heads.items()} if empty else {}
    names = [trace.name for trace in details_figure(board(**changes)).data]

    assert names == [trace.name for trace in details_figure(board()).data]


def test_every_axis_has_a_title_with_its_unit() -> None:
    figures = [live_figure(live_board(RETUNED.latency, RETUNED.sizes)), details_figure(board())]
    axes = [
        figure.layout[name]
        for figure in figures
        for name in figure.layout
        if name.startswith(("xaxis", "yaxis"))
    ]

    assert len(axes) == 14
    assert all(axis.title.text for axis in axes)


def test_numbers_are_lists_without_nan() -> None:
    assert floats([1 / 3, float("nan")]) == [0.333333, None]
