from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from evanalytics.delivery.lane import RequestRecord
from evanalytics.exceptions import TuningError
from evanalytics.tuning.calibrate import calibrate

MS = 1_000_000


def calls_of(count=2_000, *, outliers=0, **columns):
    """Calls of 20 ms + 50 us per event + a lognormal scatter."""
    random = np.random.default_rng(11)
    events = random.integers(1, 101, count)
    took = 20 * MS + 50_000 * events + random.lognormal(np.log(3 * MS), 0.5, count)
    took[random.permutation(count)[:outliers]] *= 20
    return pl.DataFrame({"events": events, "duration_ns": took.astype(np.int64), **columns})


def test_the_time_per_event_is_found():
    assert calibrate(calls_of()).service.per_event / timedelta(microseconds=1) == pytest.approx(50, abs=2)


def test_a_tenth_of_wild_outliers_hardly_move_it():
    service = calibrate(calls_of(outliers=200)).service

    assert service.per_event / timedelta(microseconds=1) == pytest.approx(50, abs=4)


def test_the_model_meets_the_measured_quantiles():
    check = calibrate(calls_of()).check

    for name in ("p50", "p90", "p99"):
        error = check[f"{name}_model_ns"] / check[f"{name}_measured_ns"] - 1
        assert error.abs().max() < 0.1


def test_no_modelled_call_is_shorter_than_the_shortest_or_longer_than_the_longest_measured():
    calls = calls_of().with_columns(events=pl.lit(1))

    service = calibrate(calls).service

    drawn = [service.duration_ns(request, 0, 1) for request in range(2_000)]
    assert calls["duration_ns"].min() <= min(drawn) + 1_000
    assert max(drawn) <= calls["duration_ns"].max() + 1_000


def test_failures_are_counted_and_not_fitted():
    failed = np.arange(2_000) % 10 == 0
    calls = calls_of(failed=failed).with_columns(
        duration_ns=pl.when("failed").then(900 * MS).otherwise("duration_ns")
    )

    found = calibrate(calls)

    assert found.service.failure_rate == 0.1
    assert found.check["p99_measured_ns"].max() < 100 * MS
    assert any(note.startswith("calls that fail take") for note in found.notes)


def test_records_of_a_dispatcher_count_by_attempt():
    records = [
        RequestRecord(
            operation="publish",
            index=index,
            events=1 + index % 7,
            released_ns=0,
            asked_ns=0,
            starts_ns=(index, index + 50 * MS),
            ends_ns=(index + 10 * MS, index + 60 * MS),
            finished_ns=index + 60 * MS,
            outcome="delivered",
        )
        for index in range(30)
    ]

    found = calibrate(records)

    assert found.calls == 60
    assert found.service.failure_rate == 0.5
    assert found.service.fixed == timedelta(milliseconds=10)


def test_calls_of_one_size_cannot_tell_what_an_event_costs():
    found = calibrate(calls_of().with_columns(events=pl.lit(5)))

    assert found.service.per_event == timedelta(0)
    assert any("what one event costs is not known" in note for note in found.notes)


def test_calls_that_get_quicker_with_size_cost_nothing_per_event():
    calls = pl.DataFrame({"events": range(1, 101)}).with_columns(duration_ns=MS * (200 - pl.col("events")))

    assert calibrate(calls).service.per_event == timedelta(0)


def test_slow_calls_in_runs_are_noticed():
    calls = calls_of().sort(pl.col("duration_ns") - 50_000 * pl.col("events"))

    assert any("slow calls come in runs" in note for note in calibrate(calls).notes)


def test_larger_calls_that_scatter_more_are_noticed():
    random = np.random.default_rng(3)
    events = random.integers(1, 101, 3_000)
    took = 10 * MS + events * random.integers(0, MS, 3_000)

    notes = calibrate(pl.DataFrame({"events": events, "duration_ns": took})).notes

    assert any("larger calls scatter more" in note for note in notes)


def test_good_calls_leave_no_doubts():
    assert calibrate(calls_of()).notes == ()


def test_few_calls_are_doubted():
    assert any("measure 1,000 or more for a p99" in note for note in calibrate(calls_of(200)).notes)


def test_too_few_calls_are_refused():
    with pytest.raises(TuningError, match="19 calls succeeded; at least 20 are needed"):
        calibrate(calls_of(19))


def test_a_missing_column_is_named():
    with pytest.raises(TuningError, match="no column duration_ns; they have events"):
        calibrate(calls_of().rename({"duration_ns": "ms"}))
