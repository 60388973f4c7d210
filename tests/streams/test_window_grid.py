"""Windows by time and key: every cell once, the highest of several where there is no room for all."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

import evanalytics as ev
from evanalytics.exceptions import StreamError
from evanalytics.streams.window_grid import window_grid

BEGIN = datetime(2026, 3, 7, tzinfo=UTC)


def run(windows: list[object], *, minutes: int = 600, keys: int = 3) -> ev.StreamResult:
    log = ev.EventLog.from_frame(
        pl.DataFrame(
            {
                "id": [str(number) for number in range(minutes)],
                "type": [f"type-{number % keys}" for number in range(minutes)],
                "source": ["s"] * minutes,
                "time": [BEGIN + timedelta(minutes=number) for number in range(minutes)],
            },
            schema=dict.fromkeys(("id", "type", "source"), pl.String) | {"time": pl.Datetime("us", "UTC")},
        )
    )
    p = ev.StreamProcessor("grid")
    node = ev.AggregatorNode(windows=windows, keys=["all", "type"], aggregator=ev.WindowedCounter())  # type: ignore[arg-type]
    p.add_source("events").connect_to(p.add_node("counts", node))
    return p.run(log)


def test_every_window_has_its_cell() -> None:
    grid = run([ev.TumblingWindow("1h")]).window_grid("counts", key="type")

    assert grid.height == 3 * 10
    assert grid["value"].to_list() == [20.0] * 30
    assert grid["time"].to_list()[:2] == [BEGIN, BEGIN + timedelta(hours=1)]
    assert grid["width"].unique().to_list() == [timedelta(hours=1)]


def test_where_windows_are_many_a_cell_holds_the_highest() -> None:
    windows = run([ev.TumblingWindow("1m")]).results("counts")

    grid = window_grid(windows, key="type", most_cells=60)

    assert grid.height <= 60
    assert grid["together"].unique().to_list() == [30]
    assert grid["windows"].sum() == 600
    assert grid["value"].max() == 1.0


def test_the_finest_windows_that_have_room_are_chosen() -> None:
    windows = run([ev.TumblingWindow("1m"), ev.TumblingWindow("1h"), ev.TumblingWindow("1d")]).results(
        "counts"
    )

    assert set(window_grid(windows, key="type", most_cells=100)["window"]) == {"1h"}
    assert set(window_grid(windows, key="type", most_cells=10_000)["window"]) == {"1m"}


def test_only_the_greatest_keys_are_shown() -> None:
    windows = run([ev.TumblingWindow("1d")], minutes=50, keys=40).results("counts")

    grid = window_grid(windows, key="type", most_keys=4)

    assert grid["name"].to_list() == ["type-0", "type-1", "type-2", "type-3"]


def test_local_days_of_23_hours_have_a_cell_each() -> None:
    result = run([ev.TumblingWindow("1d", tz="America/Chicago")], minutes=3 * 1_440)

    grid = result.window_grid("counts", key="all")

    assert grid["windows"].to_list() == [1, 1, 1, 1]
    assert grid["value"].to_list() == [360.0, 1_440.0, 1_380.0, 1_140.0]


def test_gaps_between_windows_are_empty_cells() -> None:
    windows = run([ev.TumblingWindow("1h")]).results("counts").filter(pl.col("start").dt.hour() % 4 != 1)

    grid = window_grid(windows, key="all")

    assert grid["value"].null_count() == 2  # the one at the end is no gap
    assert grid.height == 9


def test_no_windows_make_no_grid() -> None:
    assert run([ev.TumblingWindow("1h")], minutes=0).window_grid("counts").is_empty()


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"key": "colour"}, r"no key 'colour'; there is all, type"),
        ({"window": "2h"}, r"no window '2h'; there is 1h"),
        ({"figure": "sum"}, r"no figure 'sum'; there is count"),
    ],
)
def test_what_is_not_there_is_refused(wanted: dict[str, str], message: str) -> None:
    with pytest.raises(StreamError, match=message):
        run([ev.TumblingWindow("1h")], minutes=5).window_grid("counts", **wanted)


def test_rows_that_are_no_windows_are_refused() -> None:
    with pytest.raises(StreamError, match="events: its rows are no windows; ask an aggregator"):
        run([ev.TumblingWindow("1h")], minutes=5).window_grid("events")
