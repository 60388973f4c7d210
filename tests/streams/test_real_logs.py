"""Three real logs through graphs, cross-checked with SQL written by hand for DuckDB."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

import evanalytics as ev

DATA = Path(os.environ.get("EVANALYTICS_REAL_LOGS", Path(__file__).parents[3] / "shared" / "data"))
HOUR = 3_600_000_000

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the real logs lie beside the project, not in it")


@pytest.fixture(scope="module")
def flights() -> ev.EventLog:
    return ev.read_log(DATA / "flights_2001-06-01_2d.parquet", progress=False)


def sql(log: ev.EventLog, query: str) -> list[tuple[Any, ...]]:
    connection = duckdb.connect()
    connection.register("log", log.lazy.collect())
    return connection.sql(query).fetchall()


def flight_graph(lateness: str, window: str = "6h") -> ev.StreamProcessor:
    processor = ev.StreamProcessor("flights")
    kinds = {name: ev.filter({"type": f"flight.{name}"}) for name in ("departed", "scheduled")}
    events = processor.add_source("flights", watermark=ev.Watermark(lateness))
    split = events.connect_to(processor.add_node("kinds", ev.FilterNode(kinds)))
    columns = {"n": "data.n", "origin": "data.origin", "destination": "data.destination"}
    join = processor.add_node("departures", ev.JoinNode(left_key="n", right_key="n", join_window=window))
    for side, kind in (("left", "departed"), ("right", "scheduled")):
        split.connect_to(processor.add_node(kind, ev.TransformNode(columns)), kind).connect_to(join, side)
    counts = ev.AggregatorNode(
        windows=[ev.TumblingWindow(width) for width in ("1m", "1h", "1d")],
        keys=["all", "data.origin", "data.destination"],
        aggregator=ev.WindowedCounter(),
    )
    events.connect_to(processor.add_node("counts", counts))
    return processor


NOW = "max(ts) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) - {lateness} * 3600000000::BIGINT"


@pytest.mark.parametrize(
    ("lateness", "engine"), [(18, "polars"), (1, "polars"), (18, "duckdb"), (1, "duckdb")]
)
def test_flights_per_window_and_key_are_those_of_sql(
    flights: ev.EventLog, lateness: int, engine: Any
) -> None:
    result = flight_graph(f"{lateness}h").run(flights, engine=engine)

    for label, width in (("1m", HOUR // 60), ("1h", HOUR), ("1d", 24 * HOUR)):
        for key in ("all", "data__origin", "data__destination"):
            column = "NULL" if key == "all" else key
            start = f"ts // {width} * {width}"
            marked = f"SELECT *, {NOW.format(lateness=lateness)} AS now FROM log"
            wanted = sql(
                flights,
                f"SELECT {start}, {column}, count(*) FROM ({marked}) WHERE now < {start} + {width} GROUP BY ALL",
            )
            late = sql(flights, f"SELECT count(*) FROM ({marked}) WHERE now >= {start} + {width}")[0][0]
            rows = result.results("counts").filter(pl.col("window") == label, pl.col("key") == key)
            value = pl.lit(None) if key == "all" else pl.col(key)
            found = rows.select(pl.col("start").dt.timestamp("us"), value.alias("value"), "count").rows()

            assert sorted(found, key=repr) == sorted(wanted, key=repr)
            assert result.count("counts", "late", f"{label} · {key}") == late
            assert (late > 0) == (lateness == 1)


def test_departures_join_schedules_within_six_hours_as_in_sql(flights: ev.EventLog) -> None:
    result = flight_graph("18h").run(flights)

    wanted = sql(
        flights,
        f"""
        SELECT d.seq, s.seq FROM log d JOIN log s ON d.data__n = s.data__n
        WHERE d.type = 'flight.departed' AND s.type = 'flight.scheduled' AND abs(d.ts - s.ts) <= 6 * {HOUR}
        """,
    )
    assert sorted(result.results("departures").select("left_seq", "right_seq").rows()) == sorted(wanted)


def test_all_departures_find_their_schedule_without_a_narrow_bound(flights: ev.EventLog) -> None:
    result = flight_graph("18h", "30d").run(flights)

    assert result.count("departures", "pairs") == 32_450


def test_a_narrow_lateness_loses_pairs_and_says_so(flights: ev.EventLog) -> None:
    result = flight_graph("1h").run(flights)

    sides = {
        what: result.count("departures", what, "left")
        for what in ("in", "matched", "unmatched", "null key", "late")
    }
    assert sides["in"] == sides["matched"] + sides["unmatched"] + sides["null key"] + sides["late"]
    assert result.count("departures", "pairs") < flight_graph("18h").run(flights).count("departures", "pairs")


def test_quakes_by_magnitude_band_are_those_of_sql() -> None:
    quakes = ev.read_log(DATA / "quakes.ndjson.gz", progress=False)
    processor = ev.StreamProcessor("quakes")
    band = {"band": (ev.col("data.mag") // 1).cast(nw_int()), "mag": "data.mag"}
    shaped = processor.add_source("quakes", watermark=ev.Watermark("30d"))
    shaped = shaped.connect_to(processor.add_node("bands", ev.TransformNode(band)))
    figures = [ev.WindowedCounter(), ev.WindowedMax("mag", "strongest")]
    node = ev.AggregatorNode(windows=ev.TumblingWindow("1d"), keys=["band"], aggregator=figures)
    shaped.connect_to(processor.add_node("per day", node))

    found = (
        processor.run(quakes)
        .results("per day")
        .select(pl.col("start").dt.timestamp("us"), "band", "count", "strongest")
    )

    day = 24 * HOUR
    wanted = sql(
        quakes,
        f"SELECT ts // {day} * {day}, floor(data__mag)::BIGINT, count(*), max(data__mag) FROM log GROUP BY ALL",
    )
    assert sorted(found.rows(), key=repr) == sorted(wanted, key=repr)


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_retail_lines_by_country_and_customer_are_those_of_sql(engine: Any) -> None:
    retail = ev.read_log(DATA / "retail_lines_2011-12.parquet", progress=False)
    processor = ev.StreamProcessor("retail")
    figures = [ev.WindowedCounter(), ev.WindowedSum("data.quantity", "quantity")]
    keys = ["source", "data.customerId", ("source", "data.customerId")]
    node = ev.AggregatorNode(windows=ev.TumblingWindow("1h"), keys=keys, aggregator=figures)
    processor.add_source("lines", watermark=ev.Watermark("30d")).connect_to(processor.add_node("sales", node))

    found = processor.run(retail, engine=engine).results("sales")

    for label, columns in (("source", "source, NULL"), ("data__customerId", "NULL, data__customerId"),
                           ("source, data__customerId", "source, data__customerId")):  # fmt: skip
        wanted = sql(
            retail,
            f"SELECT ts // {HOUR} * {HOUR}, {columns}, count(*), sum(data__quantity)::BIGINT FROM log GROUP BY ALL",
        )
        rows = found.filter(pl.col("key") == label)
        shown = rows.select(
            pl.col("start").dt.timestamp("us"), "source", "data__customerId", "count", "quantity"
        )
        assert sorted(shown.rows(), key=repr) == sorted(wanted, key=repr)


def nw_int() -> Any:
    import narwhals.stable.v2 as nw

    return nw.Int64
