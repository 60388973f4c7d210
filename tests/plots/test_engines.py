"""The picture of costs by engine."""

import polars as pl

from evanalytics.plots import engine_costs

COSTS = pl.DataFrame(
    {
        "engine": ["polars", "duckdb", "polars", "duckdb"],
        "events": [2_000, 2_000, 1_000, 0],
        "us_per_event": [1.5, 3.0, 2.0, None],
    }
)


def test_each_engine_has_its_line_by_size() -> None:
    figure = engine_costs(COSTS)

    assert [trace.name for trace in figure.data] == ["polars", "duckdb"]
    assert [*figure.data[0].x] == [1_000, 2_000]
    assert [*figure.data[0].y] == [2.0, 1.5]
    assert [*figure.data[1].x] == [2_000]


def test_axes_say_their_units() -> None:
    figure = engine_costs(COSTS)

    assert figure.layout.xaxis.title.text == "events in the log"
    assert figure.layout.yaxis.title.text == "microseconds per event"
