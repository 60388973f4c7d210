"""Pictures of a Bloom filter: what is in their traces, titles and axes."""

from __future__ import annotations

import polars as pl
import pytest

from evanalytics.bloom.accuracy import bits_per_id
from evanalytics.bloom.comparison import COMPARISON_SCHEMA
from evanalytics.bloom.dedupe import IdTraffic, dedupe_costs
from evanalytics.bloom.filling import fill_step_by_step, filling_frame, formula_frame
from evanalytics.bloom.sizing import shape_for
from evanalytics.plots import bloom, bloom_costs
from evanalytics.plots.bloom_boards import (
    filter_beside_exact,
    live_board,
    live_figure,
    others_board,
    others_figure,
)

LOADS = [0.5, 1.0, 2.0]
SHAPE = shape_for(0.01, 5_000)
FORMULA = formula_frame(SHAPE, 5_000, LOADS)
MEASURED = filling_frame(
    [step for step in fill_step_by_step(SHAPE, 5_000, loads=LOADS, probes=20_000) if step]
)
CURVES = bits_per_id([0.01, 0.0001])
TRAFFIC = IdTraffic(events=1_100, ids=1_000, span_s=86_400)
COSTS = dedupe_costs(TRAFFIC, capacity=5_000, sizes=[3_000, 6_000, 12_000])
COMPARED = pl.DataFrame(
    [("Bloom filter", 9, 10**6, 20.0, 10.0, 5), ("Python set", 9, 10**8, 200.0, 300.0, 4)],
    schema=COMPARISON_SCHEMA,
    orient="row",
)


def traces(figure):
    return {trace.name: trace for trace in figure.data}


def filling(**options):
    return traces(bloom.error_rate_while_filling(FORMULA, MEASURED, promise=0.01, **options))


def test_points_stand_at_measured_rates_and_lines_at_theory_and_own_bits():
    shown = filling()

    assert list(shown["measured"].y) == pytest.approx(MEASURED["rate"].to_list(), rel=1e-5)
    assert list(shown["formula"].y) == pytest.approx(FORMULA["formula"].to_list(), rel=1e-5)
    assert list(shown["own bits"].y) == pytest.approx(MEASURED["own_bits"].to_list(), rel=1e-5)


def test_error_bars_reach_from_end_to_end_of_the_interval():
    point = filling()["measured"]

    assert [y + up for y, up in zip(point.y, point.error_y.array, strict=True)] == pytest.approx(
        MEASURED["high"].to_list(), rel=1e-4
    )
    assert [y - down for y, down in zip(point.y, point.error_y.arrayminus, strict=True)] == pytest.approx(
        MEASURED["low"].to_list(), rel=1e-4
    )


def test_the_promise_is_a_line_across():
    assert list(filling()["promise"].y) == [0.01, 0.01]


def test_the_ring_stands_on_the_formula_at_the_load():
    ring = filling(load=1.0)["now"]

    assert (list(ring.x), list(ring.y)) == ([1.0], pytest.approx([FORMULA["formula"][1]], rel=1e-5))


def test_without_a_load_there_is_no_ring():
    assert list(filling()["now"].x) == []


def test_before_anything_is_measured_the_formula_stands_alone():
    shown = traces(bloom.error_rate_while_filling(FORMULA, filling_frame([]), promise=0.01, load=1.0))

    assert list(shown["measured"].x) == list(shown["own bits"].x) == []
    assert len(shown["formula"].x) == 3


def test_every_kind_of_filter_has_a_line_and_those_not_built_here_are_dotted():
    shown = traces(bloom.bits_per_id(CURVES))
    dashes = {name: trace.line.dash for name, trace in shown.items() if name != "now"}

    assert dashes == {
        "classic": "solid", "blocked": "solid", "split block": "solid",
        "binary fuse": "dot", "ribbon": "dot", "cuckoo": "dot",
    }  # fmt: skip


def test_the_dedupe_curves_are_the_costs():
    shown = traces(bloom_costs.dedupe_cost(COSTS))

    assert list(shown["lost"].y) == pytest.approx(COSTS["false_drops"].to_list(), rel=1e-5)
    assert list(shown["looked up"].y) == pytest.approx(COSTS["lookups"].to_list(), rel=1e-5)
    assert list(shown["lost"].x) == pytest.approx([0.002976, 0.005984, 0.012], rel=1e-3)


def test_what_costs_nothing_gets_no_ring_on_a_logarithmic_axis():
    panel = bloom_costs.dedupe_panel(COSTS, point={"bytes": 6_000, "false_drops": 0.0, "lookups": 100.0})

    assert panel.traces[-1]["y"] == [100.0]


def test_bars_say_their_numbers():
    texts = [trace.text for trace in filter_beside_exact(COMPARED).data]

    assert [list(text) for text in texts] == [["1 MB", "100 MB"], ["", ""], ["20 + 10 ns", "200 + 300 ns"]]


def test_the_comparison_says_how_many_ids_are_held():
    titles = [text.text for text in filter_beside_exact(COMPARED).layout.annotations]

    assert titles[0] == "<b>Memory</b> to hold 9 ids"


def live():
    return live_board(
        formula=FORMULA, measured=MEASURED, promise=0.01, load=1.0, costs=COSTS,
        cost={"bytes": 6_000, "false_drops": 10.0, "lookups": 110.0},
    )  # fmt: skip


def others(compared=COMPARED):
    return others_board(CURVES, compared, promise=0.01, bits=10.5)


def test_nothing_compared_is_an_empty_picture():
    figure = others_figure(others(COMPARED.head(0)))

    assert [list(trace.x) for trace in figure.data if trace.type == "bar"] == [[], [], []]


def test_the_filter_that_is_shown_is_marked_in_every_picture_of_filters():
    figures = live_figure(live()), others_figure(others())
    rings = [(list(t.x), list(t.y)) for figure in figures for t in figure.data if t.name == "now"]

    assert rings[0][0] == [1.0]
    assert rings[1:] == [([0.006, 0.006], [10.0, 110.0]), ([0.01], [10.5])]


def test_every_axis_of_the_explorer_but_that_of_names_says_its_unit():
    figures = live_figure(live()), others_figure(others())
    titles = [
        [axis.title.text for axis in (*figure.select_xaxes(), *figure.select_yaxes())] for figure in figures
    ]

    assert titles[0] == [
        "ids held (% of capacity)", "filter (MB)", "share of absent ids (%)", "events per day",
    ]  # fmt: skip
    assert titles[1] == ["MB", "nanoseconds per id", "error rate (%)", "", "", "bits per id"]
