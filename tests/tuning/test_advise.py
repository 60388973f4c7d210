from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from evanalytics.batching.policy import BatchPolicy
from evanalytics.delivery.arrivals import Arrivals
from evanalytics.delivery.policy import DeliveryPolicy
from evanalytics.delivery.service_model import ServiceModel
from evanalytics.delivery.simulate import simulate
from evanalytics.exceptions import TuningError
from evanalytics.throttling.policy import RateLimit, ThrottlePolicy
from evanalytics.tuning.advise import Advice, advise, busiest_second, least_limit
from evanalytics.tuning.explore import LatencyGoal
from evanalytics.tuning.retune import with_rate
from evanalytics.tuning.settings import Settings
from evanalytics.tuning.sweep import sweep

MS = 1_000_000
BURSTS = Arrivals.of_times(
    np.sort(np.random.default_rng(3).integers(0, 400, 3_000) ** 2 * MS), types=["a", "b", "c"] * 1_000
)


@pytest.fixture(scope="module")
def advice() -> Advice:
    return advise(BURSTS, "p99<=2s,max <= 1m", progress=False)


def test_the_settings_keep_to_the_goal_under_their_own_limit(advice: Advice) -> None:
    assert advice.settings is not None

    row = sweep(BURSTS, [advice.settings], progress=False).row(0, named=True)

    assert row["p99_ns"] <= 2_000 * MS
    assert row["max_ns"] <= 60_000 * MS


def test_the_limit_of_the_settings_is_never_felt(advice: Advice) -> None:
    assert advice.found is not None
    assert advice.settings is not None
    free, limited = (
        simulate(BURSTS, one.batch, one.throttle, one.delivery).latency_ns
        for one in (advice.found.settings, advice.settings)
    )

    assert limited.equals(free)
    assert not simulate(
        BURSTS,
        advice.settings.batch,
        with_rate(advice.settings, max(advice.limits["max_requests"]) - 1, "sliding_window").throttle,
        advice.settings.delivery,
    ).latency_ns.equals(free)


def test_one_request_per_second_less_than_the_least_limit_misses_the_goal(advice: Advice) -> None:
    assert advice.settings is not None
    assert advice.least_limit is not None
    assert advice.least_limit > 1
    rates = [with_rate(advice.settings, advice.least_limit - less, "sliding_window") for less in (0, 1)]

    p99 = sweep(BURSTS, rates, progress=False)["p99_ns"].to_list()

    assert p99[0] <= 2_000 * MS < p99[1]
    assert advice.least_limit in advice.limits["max_requests"]


def test_the_goal_is_written_as_constraints_are(advice: Advice) -> None:
    assert advice.goal == "p99 <= 2 s and max <= 60 s"
    assert advice.latency == LatencyGoal("p99_ns", 2_000 * MS)


def test_a_goal_that_nothing_meets_leaves_the_map_and_a_reason() -> None:
    found = advise(BURSTS, "p99 <= 1ms", progress=False)

    assert found.settings is None
    assert found.refusal.startswith("none of 120 settings keeps to p99 <= 1 ms: the least p99 is")
    assert len(found.grid) == len(found.tried) == 120
    assert found.front.height > 0


def test_without_events_there_is_a_reason_and_nothing_tried() -> None:
    found = advise(Arrivals.of_times([]), progress=False)

    assert (found.settings, found.grid.height, found.front.height) == (None, 0, 0)
    assert "no events" in found.refusal


def test_a_limit_that_is_given_stays() -> None:
    base = Settings(throttle=ThrottlePolicy(RateLimit(40, "1s")))

    found = advise(BURSTS, "p99 <= 30s", base=base, progress=False)

    assert found.settings is not None
    assert found.settings.throttle == base.throttle
    assert found.least_limit is None
    assert found.limits.is_empty()


def test_a_goal_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(TuningError, match="cannot be read"):
        advise(BURSTS, "fast, please", progress=False)


def test_the_busiest_second_is_half_open() -> None:
    one_each = Settings(BatchPolicy(max_batch_size=1), delivery=DeliveryPolicy(max_in_flight=None))

    assert busiest_second(Arrivals.of_times([0, 999 * MS, 1_000 * MS, 1_500 * MS]), one_each) == 3


def test_the_busiest_second_counts_retries() -> None:
    arrivals = Arrivals.of_times(np.sort(np.random.default_rng(0).integers(0, 3_000 * MS, 300)))
    failing = DeliveryPolicy(max_in_flight=None, service=ServiceModel(failure_rate=0.6))
    free = Settings(BatchPolicy(max_batch_size=1), delivery=failing)
    limited = with_rate(free, busiest_second(arrivals, free), "sliding_window")

    latencies = [
        simulate(arrivals, one.batch, one.throttle, one.delivery).latency_ns for one in (free, limited)
    ]

    assert latencies[0].equals(latencies[1])


def test_the_least_limit_is_the_lowest_of_all_that_keep() -> None:
    settings = Settings(BatchPolicy(max_batch_size=20, flush_interval="500ms"))
    limits = [with_rate(settings, rate, "sliding_window") for rate in range(1, 60)]
    keep = sweep(BURSTS, limits, progress=False).filter(pl.col("p99_ns") <= 3_000 * MS)["max_requests"]

    assert least_limit(BURSTS, settings, ["p99 <= 3s"], most=59) == keep.min()
