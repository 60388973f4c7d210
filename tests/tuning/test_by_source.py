"""Sources simulated each for itself: exact where they share nothing."""

import polars as pl
import pytest

import evanalytics as ev
from evanalytics.exceptions import PolicyError, SimulationError
from evanalytics.logs.synthetic import sample_frame

GRID = ev.Grid(max_batch_size=[1, 10], flush_interval=["1s", "30s"])


def log_of(*sources: str) -> ev.EventLog:
    frame, _ = sample_frame(events=900)
    names = pl.Series("source", [sources[i * len(sources) // 900] for i in range(900)])
    return ev.EventLog.from_frame(frame.with_columns(names))


def test_one_source_is_a_plain_sweep() -> None:
    log = log_of("shop")

    assert ev.sweep_by_source(log, GRID, progress=False).equals(ev.sweep(log, GRID, progress=False))


def test_what_sources_do_adds_up() -> None:
    log = log_of("a", "b")
    parts = [
        ev.sweep(ev.EventLog.from_frame(log.lazy.filter(pl.col("source") == name)), GRID, progress=False)
        for name in ("a", "b")
    ]

    found = ev.sweep_by_source(log, GRID, progress=False)

    for name in ("events", "batches", "requests"):
        assert found[name].to_list() == (parts[0][name] + parts[1][name]).to_list()
    assert found["max_ns"].to_list() == [
        max(pair) for pair in zip(parts[0]["max_ns"], parts[1]["max_ns"], strict=True)
    ]


def test_a_setting_that_contradicts_itself_says_why() -> None:
    base = ev.Settings(
        batch=ev.BatchPolicy(flush_interval="6h"),
        throttle=ev.ThrottlePolicy(ev.RateLimit(5, "1s"), tokens_per="event"),
    )

    found = ev.sweep_by_source(log_of("a", "b"), ev.Grid(base, max_batch_size=[5, 500]), progress=False)

    assert found["refused"].is_null().to_list() == [True, False]
    assert found["events"].to_list() == [900, None]


def test_bytes_are_refused() -> None:
    setting = ev.Settings(batch=ev.BatchPolicy(max_batch_bytes=100))

    with pytest.raises(PolicyError, match="max_batch_bytes is not known by source"):
        ev.sweep_by_source(log_of("a"), [setting], progress=False)


def test_a_log_without_events_is_refused() -> None:
    log = log_of("a")
    nothing = log.where(ev.filter({"type": "none such"}))

    with pytest.raises(SimulationError, match="no events"):
        ev.sweep_by_source(nothing, GRID, progress=False)
