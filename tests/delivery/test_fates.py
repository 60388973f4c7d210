from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evanalytics import compiled
from evanalytics.delivery.fates import extra_times, fates_of
from evanalytics.delivery.policy import DeliveryPolicy, Retry
from evanalytics.delivery.service_model import ServiceModel
from evanalytics.exceptions import PolicyError

SERVICES = [
    ServiceModel(fixed="3ms", per_event="7us"),
    ServiceModel(distribution="uniform", spread="5ms", failure_rate=0.5),
    ServiceModel(distribution="exponential", spread="5ms", failure_rate=0.1, seed=9),
    ServiceModel(distribution="lognormal", spread="2ms", sigma=1.5, failure_rate=1.0),
    ServiceModel(distribution="empirical", quantiles=["1ms", "2ms", "90ms"], failure_rate=0.3, seed=2**53),
]
RETRIES = [Retry(max_attempts=1), Retry(jitter=0, factor=3), Retry(max_attempts=4, jitter=1, seed=5)]


@pytest.mark.parametrize("is_compiled", [True, False])
@pytest.mark.parametrize("retry", RETRIES, ids=repr)
@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.distribution)
def test_every_draw_over_columns_is_the_record_s_own(monkeypatch, service, retry, is_compiled):
    monkeypatch.setattr(compiled, "IS_COMPILED", compiled.IS_COMPILED and is_compiled)
    events = np.arange(1, 61)

    fates = fates_of(DeliveryPolicy(service=service, retry=retry), events)

    place = 0
    for request in range(60):
        attempts = int(fates.first[request + 1] - fates.first[request])
        for attempt in range(attempts):
            is_last = attempt == attempts - 1
            is_bad = not is_last or not fates.is_last_good[request]
            assert fates.service_ns[place] == service.duration_ns(request, attempt, int(events[request]))
            assert fates.backoff_ns[place] == (retry.backoff_ns(request, attempt) if attempt else 0)
            assert service.fails(request, attempt) == is_bad
            place += 1
        assert fates.is_last_good[request] or attempts == retry.max_attempts


@given(st.integers(0, 2**53), st.integers(0, 2**31), st.integers(0, 999))
def test_an_extra_time_is_the_record_s_own_for_any_seed_request_and_attempt(seed, request, attempt):
    service = ServiceModel(fixed="0s", distribution="lognormal", spread="1s", seed=seed)

    extra = extra_times(service, np.array([request]), np.array([attempt]))

    assert extra.tolist() == [service.duration_ns(request, attempt, 0)]


def test_absurdly_many_attempts_are_refused():
    policy = DeliveryPolicy(service=ServiceModel(failure_rate=1.0), retry=Retry(max_attempts=1_000))

    with pytest.raises(PolicyError, match="would make 300000000 attempts; lower"):
        fates_of(policy, np.ones(300_000, np.int64))
