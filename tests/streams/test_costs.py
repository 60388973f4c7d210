"""A graph on several engines: the same fates, and what each run took."""

import pytest

import evanalytics as ev
from evanalytics.exceptions import EngineError, StreamError
from evanalytics.logs.synthetic import sample_frame
from tests.streams.seed_pipeline import order_analytics


def test_every_engine_and_size_has_a_row_and_says_the_same() -> None:
    logs = [ev.EventLog.from_frame(sample_frame(events=events)[0]) for events in (300, 600)]

    costs = ev.engine_costs(order_analytics(), logs)

    assert costs.select("engine", "events").rows() == [
        ("polars", 300), ("duckdb", 300), ("polars", 600), ("duckdb", 600),
    ]  # fmt: skip
    assert costs["equal"].all()
    assert (costs["us_per_event"] - costs["seconds"] / costs["events"] * 1e6).abs().max() < 1e-6


def test_spark_wants_a_session() -> None:
    log = ev.EventLog.from_frame(sample_frame(events=10)[0])

    with pytest.raises(EngineError, match="'spark' needs a session"):
        ev.engine_costs(order_analytics(), [log], engines=["spark"])


def test_unknown_engines_are_refused() -> None:
    log = ev.EventLog.from_frame(sample_frame(events=10)[0])

    with pytest.raises(StreamError, match="got 'pandas'"):
        order_analytics().run(log, engine="pandas")  # type: ignore[arg-type]


def test_auto_takes_duckdb_where_memory_is_short() -> None:
    log = ev.EventLog.from_frame(sample_frame(events=3_000)[0])

    assert order_analytics().run(log, keep=False).engine == "polars"
    assert order_analytics().run(log, keep=False, memory_bytes=2**21).engine == "duckdb"
