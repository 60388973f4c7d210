from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from evanalytics.plots import allowed_lateness, join_completeness, joins_and_lateness, windows_heatmap

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def grid(names: list[str], hours: int, together: int = 1) -> pl.DataFrame:
    rows = [(BEGIN + timedelta(hours=hour), name, float(hour)) for name in names for hour in range(hours)]
    schema = {"time": pl.Datetime("us", "UTC"), "name": pl.String, "value": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        width=pl.lit(timedelta(hours=1)), windows=pl.lit(1, pl.Int64), together=pl.lit(together, pl.Int64),
        figure=pl.lit("count"), window=pl.lit("1h"), key=pl.lit("status"),
    )  # fmt: skip


def completeness() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "window_s": [60.0, 3_600.0, 86_400.0],
            "pairs": [10, 50, 100],
            "share": [0.1, 0.5, 1.0],
            "chosen": [False, True, False],
        }
    )


def lateness(windows: int = 2, key: str | None = None) -> pl.DataFrame:
    return pl.DataFrame(
        [
            (f"{window}m", key, seconds, 100, late, late / 100, seconds == 60.0)
            for window in range(1, windows + 1)
            for seconds, late in ((0.0, 9), (1.0, 8), (60.0, 4), (3_600.0, 0))
        ],
        schema={
            "window": pl.String, "key": pl.String, "lateness_s": pl.Float64, "rows": pl.Int64,
            "late": pl.Int64, "share": pl.Float64, "chosen": pl.Boolean,
        },
        orient="row",
    )  # fmt: skip


def test_a_row_a_key_and_a_cell_a_window() -> None:
    heat = windows_heatmap(grid(["paid", "open"], 3)).data[0]

    assert [list(row) for row in heat.z] == [[0.0, 1.0, 2.0]] * 2
    assert heat.x0 == "2026-01-01T00:30:00.000000"
    assert heat.dx == 3_600_000


def test_cells_of_several_windows_say_so() -> None:
    assert "the highest of each 4" in windows_heatmap(grid(["a"], 3, together=4)).layout.annotations[0].text
    assert "highest" not in windows_heatmap(grid(["a"], 3)).layout.annotations[0].text


def test_names_of_keys_are_text_whatever_they_hold() -> None:
    shown = windows_heatmap(grid(["<b>$x$</b>"], 2))

    assert list(shown.layout.yaxis.ticktext) == ["&lt;b&gt;&#36;x&#36;&lt;/b&gt;"]


def test_the_joins_own_window_is_marked_on_the_curve() -> None:
    figure = join_completeness(completeness())
    marked = figure.data[1]

    assert list(figure.data[0].y) == [0.1, 0.5, 1.0]
    assert list(marked.x)[:2] == [3_600.0, 3_600.0]
    assert list(marked.y)[:2] == [0, 0.5]
    assert "1 h finds 50% of those within 1 d" in figure.layout.annotations[0].text


@pytest.mark.parametrize(("key", "name"), [(None, "1m"), ("status", "1m · status")])
def test_each_window_has_its_curve(key: str | None, name: str) -> None:
    figure = allowed_lateness(lateness(key=key))

    assert [trace.name for trace in figure.data] == [name, name.replace("1m", "2m"), "chosen"]
    assert list(figure.data[0].x) == [1.0, 60.0, 3_600.0]  # zero has no place on a logarithmic axis
    assert "1 min allowed" in figure.layout.annotations[0].text


def test_both_curves_stand_side_by_side() -> None:
    figure = joins_and_lateness(completeness(), lateness())

    assert {trace.xaxis for trace in figure.data} == {"x", "x2"}


def test_every_axis_has_a_title_and_empty_frames_are_drawn() -> None:
    empty = [
        windows_heatmap(grid([], 0)),
        join_completeness(completeness().clear()),
        allowed_lateness(lateness().clear()),
    ]

    for figure in empty:
        assert figure.layout.xaxis.title.text
        assert figure.layout.yaxis.title.text
