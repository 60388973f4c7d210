from __future__ import annotations

from datetime import timedelta

import pytest

from evanalytics.batching.policy import BatchPolicy
from evanalytics.delivery.policy import DeliveryPolicy
from evanalytics.delivery.service_model import ServiceModel
from evanalytics.delivery.simulate import simulate
from evanalytics.exceptions import TuningError
from evanalytics.throttling.policy import RateLimit, ThrottlePolicy
from evanalytics.tuning.recommend import recommend
from evanalytics.tuning.settings import Grid, Settings
from tests.benchmarks.traffic import bursty_traffic

ARRIVALS = bursty_traffic(5_000, per_second=20)
BASE = Settings(throttle=ThrottlePolicy(RateLimit(50, "1s")))
GRID = Grid(BASE, max_batch_size=[1, 4, 16, 64], flush_interval=["100ms", "400ms", "1600ms"])


@pytest.fixture(scope="module")
def found():
    return recommend(ARRIVALS, "requests", "p99 <= 1s", grid=GRID, resamples=10, progress=False)


def test_the_settings_keep_to_the_constraint(found):
    settings = found.settings
    result = simulate(ARRIVALS, settings.batch, settings.throttle, settings.delivery)

    assert result.latency_quantile_ns(0.99) <= 1_000_000_000


def test_no_setting_tried_that_keeps_to_it_needs_fewer_requests(found):
    kept = found.tried.filter(found.tried["p99_ns"] <= 1_000_000_000)

    assert found.metrics["requests"] == kept["requests"].min()


def test_a_finer_grid_finds_better_settings_than_the_first(found):
    first = found.tried.head(len(GRID)).filter(found.tried.head(len(GRID))["p99_ns"] <= 1_000_000_000)

    assert found.metrics["requests"] < first["requests"].min()


def test_nothing_is_measured_twice(found):
    knobs = found.tried.select(
        "max_batch_size", "flush_interval_us", "max_requests", "burst", "max_in_flight"
    )

    assert knobs.is_unique().all()


def test_the_front_holds_the_recommended_setting(found):
    assert found.metrics["setting"] in found.front["setting"]


def test_the_interval_comes_from_resampled_logs(found):
    low, high = found.interval("requests")

    assert len(found.resampled) == 10
    assert low < found.metrics["requests"] < high
    assert any("logs resampled from this one" in note for note in found.notes)


def test_the_same_seed_gives_the_same_recommendation(found):
    again = recommend(ARRIVALS, "requests", "p99 <= 1s", grid=GRID, resamples=10, progress=False)

    assert again.settings == found.settings
    assert again.resampled.equals(found.resampled)


def test_the_text_names_what_was_found(found):
    assert repr(found).startswith("Least requests with p99 <= 1 s: max_batch_size ")


def test_the_default_grid_reaches_the_bound():
    found = recommend(ARRIVALS, constraints="p99 <= 3s", base=BASE, resamples=2, progress=False)

    assert timedelta(seconds=2) < found.settings.batch.flush_interval < timedelta(seconds=3)


def test_a_latency_may_be_the_objective():
    found = recommend(ARRIVALS, "p99", "requests <= 3000", grid=GRID, resamples=2, progress=False)

    assert found.metrics["requests"] <= 3_000
    assert found.metrics["p99_ns"] == found.tried.filter(found.tried["requests"] <= 3_000)["p99_ns"].min()


def test_a_cost_weighs_calls_and_events():
    found = recommend(
        ARRIVALS,
        "cost",
        "p99 <= 1s",
        grid=GRID,
        resamples=2,
        cost_per_request=0.5,
        cost_per_event=2,
        progress=False,
    )

    assert found.metrics["cost"] == found.metrics["attempts"] * 0.5 + 5_000 * 2


def test_the_edge_of_the_range_is_warned_of():
    grid = Grid(BASE, max_batch_size=[1, 2, 4], flush_interval=["200ms", "400ms"])

    notes = recommend(ARRIVALS, "requests", "p99 <= 60s", grid=grid, resamples=2, progress=False).notes

    assert "max_batch_size: the best value, 4, is the largest tried; try higher ones" in notes


def test_an_edge_with_nothing_beyond_is_not_warned_of():
    grid = Grid(Settings(), max_batch_size=[1, 2], flush_interval=["1s"])

    found = recommend(ARRIVALS, "max", (), grid=grid, resamples=2, progress=False)

    assert found.settings.batch.max_batch_size == 1
    assert not any("smallest tried" in note for note in found.notes)


def test_of_equal_settings_the_one_with_the_largest_batches_is_taken():
    grid = Grid(BASE, max_batch_size=[500, 600, 700], flush_interval=["1s"])

    found = recommend(ARRIVALS, "requests", (), grid=grid, resamples=2, progress=False)

    assert found.settings.batch.max_batch_size == 700
    assert not any("largest tried" in note for note in found.notes)


def test_a_log_with_a_slow_clock_is_noted():
    minutes = ARRIVALS.time_ns // 60_000_000_000 * 60_000_000_000

    notes = recommend(minutes, "requests", "p99 <= 1s", grid=GRID, resamples=2, progress=False).notes

    assert any(note.startswith("all arrivals are multiples of 60 s apart") for note in notes)


def test_events_that_are_handed_back_are_noted():
    delivery = DeliveryPolicy(service=ServiceModel(failure_rate=0.5), delivery_timeout="1s")
    grid = Grid(Settings(delivery=delivery), max_batch_size=[1, 20])

    notes = recommend(ARRIVALS, "requests", "p50 <= 9s", grid=grid, resamples=2, progress=False).notes

    assert any("events are handed back undelivered" in note for note in notes)


def test_what_cannot_be_kept_to_says_how_near_one_comes():
    with pytest.raises(
        TuningError, match=r"none of 12 settings keeps to p99 <= 1 ms: the least p99 is 120 ms; widen"
    ):
        recommend(ARRIVALS, "requests", "p99 <= 1ms", grid=GRID, progress=False)


def test_a_log_of_one_instant_has_no_interval():
    found = recommend([0, 0], "requests", "p99 <= 10s", grid=GRID, progress=False)

    with pytest.raises(TuningError, match="too short to be cut into blocks"):
        found.interval()
    assert any("too short to be resampled" in note for note in found.notes)


def test_knobs_without_numbers_are_left_as_they_are():
    base = Settings(BatchPolicy(max_batch_size=5), BASE.throttle)
    grid = Grid(base, max_in_flight=[None, 1])

    found = recommend(ARRIVALS, "max", (), grid=grid, resamples=2, progress=False)

    assert found.settings.delivery.max_in_flight in (None, 1)
