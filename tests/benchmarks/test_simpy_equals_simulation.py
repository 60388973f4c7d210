from __future__ import annotations

import pytest

from evanalytics.batching.policy import BatchPolicy
from evanalytics.delivery.policy import DeliveryPolicy, Retry
from evanalytics.delivery.service_model import ServiceModel
from evanalytics.delivery.simulate import simulate
from evanalytics.throttling.policy import RateLimit, ThrottlePolicy
from evanalytics.tuning.settings import Settings
from tests.benchmarks.plain_python import simulate_in_python
from tests.benchmarks.simpy_model import SimpyModel
from tests.benchmarks.traffic import bursty_traffic

SLIDING = RateLimit(200, "1s")
BUCKET = RateLimit(200, "1s", kind="token_bucket", burst=50)
FIXED = RateLimit(200, "1s", kind="fixed_window", origin="300ms")
UNEVEN = ServiceModel(fixed="12ms", per_event="30us", distribution="lognormal", spread="8ms", seed=3)
FAILING = ServiceModel(
    fixed="12ms", per_event="30us", distribution="exponential", spread="9ms", failure_rate=0.1
)

CASES = {
    "sliding window": (SLIDING, "request", DeliveryPolicy(max_in_flight=4)),
    "sliding window by event": (RateLimit(1_500, "1s"), "event", DeliveryPolicy(service=UNEVEN)),
    "token bucket": (BUCKET, "request", DeliveryPolicy(max_in_flight=4, service=UNEVEN)),
    "token bucket by event": (
        RateLimit(1_000, "1s", kind="token_bucket", burst=2_000), "event", DeliveryPolicy(max_in_flight=None)
    ),
    "fixed window": (FIXED, "request", DeliveryPolicy(max_in_flight=6, service=UNEVEN)),
    "no limit": (None, "request", DeliveryPolicy(max_in_flight=2, service=UNEVEN)),
    "retries": (SLIDING, "request", DeliveryPolicy(max_in_flight=8, service=FAILING, retry=Retry(max_attempts=3))),
    "retries, token bucket": (BUCKET, "event", DeliveryPolicy(max_in_flight=8, service=FAILING)),
}  # fmt: skip


def assert_equal_latencies(case, events):
    limit, tokens_per, delivery = CASES[case]
    batch = BatchPolicy(max_batch_size=20, flush_interval="60ms")
    throttle = ThrottlePolicy(limit, tokens_per=tokens_per)
    arrivals = bursty_traffic(events)

    theirs = SimpyModel(arrivals.time_ns.tolist(), arrivals.types.tolist(), batch, throttle, delivery).run()
    ours = simulate(arrivals, batch, throttle, delivery).latency_ns.to_list()

    assert ours == theirs


@pytest.mark.parametrize("case", CASES)
def test_an_independent_simpy_model_finds_equal_latencies(case):
    assert_equal_latencies(case, events=5_000)


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", ["sliding window by event", "fixed window", "retries", "retries, token bucket"]
)
def test_an_independent_simpy_model_finds_equal_latencies_on_a_long_log(case):
    assert_equal_latencies(case, events=200_000)


@pytest.mark.parametrize("group_by", ["type", None])
def test_the_plain_python_peer_finds_equal_latencies(group_by):
    batch = BatchPolicy(max_batch_size=20, flush_interval="60ms", group_by=group_by)
    settings = Settings(batch, ThrottlePolicy(SLIDING), DeliveryPolicy(max_in_flight=4))
    arrivals = bursty_traffic(20_000)

    theirs = simulate_in_python(arrivals.time_ns.tolist(), arrivals.types.tolist(), settings)
    ours = simulate(arrivals, settings.batch, settings.throttle, settings.delivery).latency_ns.to_list()

    assert ours == theirs
