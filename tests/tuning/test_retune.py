"""What a slider needs: few points, the same numbers as the whole simulation."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evanalytics.batching.policy import BatchPolicy
from evanalytics.batching.simulate import Batches
from evanalytics.delivery.arrivals import Arrivals
from evanalytics.delivery.simulate import simulate
from evanalytics.exceptions import TuningError
from evanalytics.throttling.policy import RateLimit, ThrottlePolicy
from evanalytics.tuning.histogram import Histogram
from evanalytics.tuning.retune import Retuner, batch_sizes, latency_shares, rate_of, with_rate
from evanalytics.tuning.settings import Settings


def arrivals(events: int = 500) -> Arrivals:
    return Arrivals.of_times(np.random.default_rng(3).integers(0, 10**10, events))


def test_retuning_counts_what_the_simulation_tells() -> None:
    settings = Settings(BatchPolicy(max_batch_size=7, flush_interval="100ms"))

    retuned = Retuner(arrivals()).retune(settings)
    simulated = simulate(arrivals(), settings.batch)

    assert retuned.metrics.requests == len(simulated.requests)
    assert retuned.sizes.select(pl.sum_horizontal("size", "age", "bytes").sum()).item() == len(
        simulated.batches
    )
    assert retuned.latency["latency_s"][-1] * 1e9 == pytest.approx(simulated.latency_ns.max(), rel=1e-3)


def test_batches_are_kept_while_their_policy_is_the_same() -> None:
    retuner = Retuner(arrivals())
    slow = with_rate(Settings(), 0.1, "sliding_window")

    first, second = retuner.retune(Settings()), retuner.retune(slow)

    assert first.metrics.batches == second.metrics.batches
    assert second.metrics.latency.quantile_ns(1) > first.metrics.latency.quantile_ns(1)  # type: ignore[operator]


def test_no_events_is_refused() -> None:
    with pytest.raises(TuningError, match="choose a longer stretch"):
        Retuner(Arrivals.of_times([])).retune(Settings())


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=2_000), st.integers(0, 100))
def test_the_curve_rises_and_ends_at_the_delivered_share(latencies: list[int], lost: int) -> None:
    curve = latency_shares(Histogram.of(np.array(latencies), lost=lost))

    assert len(curve) <= 141
    assert curve["latency_s"].is_sorted()
    assert curve["share"].is_sorted()
    assert curve["share"][-1] == pytest.approx(len(latencies) / (len(latencies) + lost))


def test_a_log_whose_events_are_all_lost_has_no_curve() -> None:
    assert latency_shares(Histogram.empty(lost=3)).height == 0


@given(st.lists(st.tuples(st.integers(1, 300), st.integers(0, 2)), min_size=1, max_size=50))
def test_each_batch_is_counted_once_at_its_size_and_reason(batches: list[tuple[int, int]]) -> None:
    sizes = np.array([size for size, _ in batches])
    reasons = np.array([reason for _, reason in batches], dtype=np.int8)
    bounds = np.concatenate(([0], np.cumsum(sizes)))

    counted = batch_sizes(Batches(bounds, np.zeros(len(batches), np.int64), reasons))

    for up_to, *by_reason in counted.rows():
        inside = (sizes <= up_to) & (sizes > up_to // 2)
        assert by_reason == [int((inside & (reasons == reason)).sum()) for reason in range(3)]
    assert counted["up_to"][-1] >= sizes.max()


@pytest.mark.parametrize(
    ("per_second", "limit"),
    [(0.3, RateLimit(3, "10s")), (50, RateLimit(50, "1s")), (1.5, RateLimit(3, "2s"))],
)
def test_a_rate_becomes_whole_requests(per_second: float, limit: RateLimit) -> None:
    settings = with_rate(Settings(), per_second, "sliding_window")

    assert settings.throttle.limit_of("publish") == limit
    assert rate_of(settings) == (per_second, "sliding_window")


def test_no_limiter_takes_the_limit_away() -> None:
    limited = Settings(throttle=ThrottlePolicy(RateLimit(1, "1s")))

    assert rate_of(with_rate(limited, 1, "none")) == (float("inf"), "none")


def test_what_rate_of_tells_can_be_given_back() -> None:
    unlimited = Settings()

    assert with_rate(unlimited, *rate_of(unlimited)) == unlimited


def test_other_operations_keep_the_default_when_one_loses_its_limit() -> None:
    default = RateLimit(1, "1s")
    freed = with_rate(Settings(throttle=ThrottlePolicy(default)), 1, "none", operation="publish")

    assert freed.throttle.limit_of("publish") is None
    assert freed.throttle.limit_of("query") == default
    assert Settings.from_json(freed.to_json()) == freed


def test_other_operations_keep_their_limits() -> None:
    query = RateLimit(7, timedelta(seconds=2))
    settings = Settings(throttle=ThrottlePolicy(operations={"query": query}))

    assert with_rate(settings, 5, "token_bucket").throttle.limit_of("query") == query


@pytest.mark.parametrize(
    ("per_second", "limiter", "message"),
    [
        (0, "none", "above zero"),
        (1, "leaky", "one of"),
        (float("inf"), "sliding_window", "not endless, got inf"),
        (float("nan"), "sliding_window", "above zero"),
    ],
)
def test_a_rate_that_makes_no_sense_is_refused(per_second: float, limiter: str, message: str) -> None:
    with pytest.raises(TuningError, match=message):
        with_rate(Settings(), per_second, limiter)  # type: ignore[arg-type]
