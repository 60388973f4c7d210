from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from evanalytics import compiled
from evanalytics.batching.policy import BatchPolicy
from evanalytics.delivery import request_kernels
from evanalytics.delivery import requests as requests_module
from evanalytics.delivery.policy import DeliveryPolicy, Retry
from evanalytics.delivery.service_model import ServiceModel
from evanalytics.delivery.simulate import simulate
from evanalytics.exceptions import SimulationError
from evanalytics.throttling.policy import RateLimit, ThrottlePolicy
from evanalytics.tuning.metrics import COLUMNS, QUANTILES, Grouped, measure
from evanalytics.tuning.settings import Settings
from tests.benchmarks.traffic import bursty_traffic

DELIVERIES = {
    "fixed": DeliveryPolicy(max_in_flight=4),
    "uneven": DeliveryPolicy(max_in_flight=4, service=ServiceModel(distribution="lognormal", spread="9ms")),
    "failing": DeliveryPolicy(
        service=ServiceModel(failure_rate=0.4), retry=Retry(max_attempts=2), delivery_timeout="2s"
    ),
}


@pytest.mark.parametrize("is_compiled", [True, False])
@pytest.mark.parametrize("group_by", ["type", None])
@pytest.mark.parametrize("delivery", DELIVERIES)
def test_the_numbers_are_those_of_the_simulation(monkeypatch, delivery, group_by, is_compiled):
    monkeypatch.setattr(compiled, "IS_COMPILED", compiled.IS_COMPILED and is_compiled)
    batch = BatchPolicy(max_batch_size=20, flush_interval="50ms", group_by=group_by)
    settings = Settings(batch, ThrottlePolicy(RateLimit(150, "1s")), DELIVERIES[delivery])
    arrivals = bursty_traffic(2_000)

    found = measure(arrivals, settings).to_dict()

    exact = (
        simulate(arrivals, settings.batch, settings.throttle, settings.delivery)
        .summary(QUANTILES)
        .to_dicts()[0]
    )
    counts = [name for name in COLUMNS if not name.endswith("_ns")]
    assert {name: found[name] for name in counts} == {name: exact[name] for name in counts}
    for name in set(COLUMNS) - set(counts):
        assert (found[name] is None) == (exact[name] is None)
        assert found[name] is None or exact[name] <= found[name] <= exact[name] * 1.001


@pytest.mark.parametrize("delivery", DELIVERIES)
@pytest.mark.parametrize("group_by", ["type", None])
@pytest.mark.parametrize("size", [1, 20, 3_000])
@pytest.mark.parametrize("bits", [64, 0])
def test_requests_and_latencies_in_parts_are_the_same(monkeypatch, size, group_by, delivery, bits):
    batching = BatchPolicy(max_batch_size=size, group_by=group_by)
    throttle = ThrottlePolicy(RateLimit(150, "1s"), tokens_per="event" if size < 100 else "request")
    settings = Settings(batching, throttle, DELIVERIES[delivery])
    arrivals = bursty_traffic(2_000)
    alone, requests = measure(arrivals, settings), Grouped.of(arrivals, batching).requests
    monkeypatch.setattr(requests_module, "EVENTS_PER_PART", 300)
    monkeypatch.setattr(request_kernels, "BITS", bits)  # as if there were more types than bits
    monkeypatch.setattr(pl, "thread_pool_size", lambda: 3)

    together, again = measure(arrivals, settings), Grouped.of(arrivals, batching).requests

    assert (len(requests), len(again)) == (1, 1 if size == 3_000 else 6) or not compiled.IS_COMPILED
    for column in ("batch", "type", "events"):
        parts, whole = ([getattr(part, column) for part in found] for found in (again, requests))
        assert (np.concatenate(parts) == np.concatenate(whole)).all()
    assert together.to_dict() == alone.to_dict()
    assert (together.latency.counts == alone.latency.counts).all()


def test_no_events_have_no_numbers():
    with pytest.raises(SimulationError, match="there are no events"):
        measure([], Settings()).to_dict()
