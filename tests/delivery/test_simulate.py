from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from evanalytics.batching.policy import BatchPolicy
from evanalytics.delivery.arrivals import Arrivals
from evanalytics.delivery.policy import DeliveryPolicy, Retry
from evanalytics.delivery.service_model import ServiceModel
from evanalytics.delivery.simulate import simulate, simulate_calls
from evanalytics.exceptions import PolicyError, SimulationError
from evanalytics.throttling.policy import RateLimit, ThrottlePolicy

MS = 1_000_000
ALONE = BatchPolicy(flush_interval="0s")
ALWAYS_FAILS = ServiceModel(fixed="10ms", failure_rate=1)


def policy(**options):
    return DeliveryPolicy(**{"service": ServiceModel(fixed="10ms"), **options})


def test_the_latency_of_an_event_is_from_its_arrival_to_the_end_of_its_request():
    result = simulate([0, 3 * MS], BatchPolicy(max_batch_size=2, flush_interval="1s"), delivery=policy())

    assert result.latency_ns.to_list() == [13 * MS, 10 * MS]


def test_a_batch_becomes_one_request_per_type_in_order_of_first_appearance():
    arrivals = Arrivals.of_times([0, 0, 0, 0], types=["b", "a", "b", "c"])

    requests = simulate(arrivals, BatchPolicy(max_batch_size=4, flush_interval="1s")).requests

    assert requests["type"].to_list() == ["b", "a", "c"]
    assert requests["events"].to_list() == [2, 1, 1]


def test_ungrouped_a_batch_is_one_request_of_no_type():
    arrivals = Arrivals.of_times([0, 0], types=["b", "a"])

    requests = simulate(arrivals, BatchPolicy(max_batch_size=2, flush_interval="1s", group_by=None)).requests

    assert requests.select("type", "events").rows() == [(None, 2)]


def test_tokens_are_taken_from_the_limit_of_the_operation():
    throttle = ThrottlePolicy(operations={"publish": RateLimit(1, "1s"), "query": RateLimit(1, "2s")})

    starts = [
        simulate([0, 0], ALONE, throttle, policy(), operation=operation).requests["start_ns"][1]
        for operation in ("publish", "query", "other")
    ]

    assert starts == [1_000 * MS, 2_000 * MS, 0]


def test_a_request_may_cost_a_token_per_event():
    throttle = ThrottlePolicy(RateLimit(4, "1s"), tokens_per="event")
    batch = BatchPolicy(max_batch_size=2, flush_interval="1s")

    requests = simulate([0] * 6, batch, throttle, policy()).requests

    assert requests["tokens"].to_list() == [2, 2, 2]
    assert requests["start_ns"].to_list() == [0, 0, 1_000 * MS]


def test_a_request_that_is_too_heavy_for_its_window_is_refused():
    throttle = ThrottlePolicy(RateLimit(4, "1s"), tokens_per="event")

    with pytest.raises(PolicyError, match="never grants more than 4 tokens at once, and 5 are wanted"):
        simulate([0] * 5, BatchPolicy(max_batch_size=5), throttle)


def test_waits_are_told_apart_by_cause():
    throttle = ThrottlePolicy(RateLimit(1, "15ms"))
    requests = simulate([0, 0, 0], ALONE, throttle, policy(max_in_flight=1)).requests

    assert requests["start_ns"].to_list() == [0, 15 * MS, 30 * MS]
    assert requests["slot_ns"].to_list() == [0, 10 * MS, 20 * MS]
    assert requests["tokens_ns"].to_list() == [0, 5 * MS, 10 * MS]


def test_the_first_event_s_latency_is_the_sum_of_its_waits():
    batch = BatchPolicy(max_batch_size=3, flush_interval="5ms")
    delivery = policy(max_in_flight=1, service=ServiceModel(fixed="2ms", failure_rate=0.3))
    result = simulate([0, MS, 2 * MS, 2 * MS, 9 * MS], batch, ThrottlePolicy(RateLimit(1, "3ms")), delivery)

    total = result.requests.select(
        "batching_ns", "slot_ns", "tokens_ns", "backoff_ns", "service_ns"
    ).sum_horizontal()
    first = result.events.group_by("request", maintain_order=True).first()

    assert result.requests["outcome"].unique().to_list() == ["delivered"]
    assert total.to_list() == first["latency_ns"].to_list()


def test_a_request_that_is_handed_back_leaves_its_events_without_latency():
    delivery = policy(service=ALWAYS_FAILS, retry=Retry(max_attempts=2, base="5ms", jitter=0))

    result = simulate([0], ALONE, delivery=delivery)

    assert result.latency_ns.to_list() == [None]
    assert result.requests.select("outcome", "attempts", "finish_ns", "backoff_ns").rows() == [
        ("failed", 2, 25 * MS, 5 * MS)
    ]


def test_a_request_that_never_starts_has_no_start():
    result = simulate([0, 0], ALONE, delivery=policy(max_in_flight=1, delivery_timeout="10ms"))

    assert result.requests["start_ns"].to_list() == [0, None]
    assert result.requests["outcome"].to_list() == ["timeout", "timeout"]


def test_handed_back_events_count_as_later_than_all_others():
    delivery = policy(max_in_flight=1, delivery_timeout="25ms")

    result = simulate([0, 0, 0, 0], ALONE, delivery=delivery)

    assert [result.latency_quantile_ns(share) for share in (0.25, 0.5, 0.51)] == [10 * MS, 20 * MS, None]


def test_a_quantile_is_the_smallest_latency_that_so_many_events_keep_within():
    result = simulate([0, 0, 0], ALONE, delivery=policy(max_in_flight=1))

    assert [result.latency_quantile_ns(share) for share in (0, 1 / 3, 0.34, 1)] == [
        10 * MS,
        10 * MS,
        20 * MS,
        30 * MS,
    ]


def test_the_summary_counts_everything():
    result = simulate([0, 0, 0], ALONE, delivery=policy(max_in_flight=1))

    assert result.summary((0.5,)).to_dicts() == [
        {
            "events": 3,
            "handed_back": 0,
            "batches": 3,
            "requests": 3,
            "attempts": 3,
            "tokens": 3,
            "p50_ns": 20 * MS,
            "max_ns": 30 * MS,
            "max_held": 3,
        }
    ]


def test_the_table_of_batches_tells_when_and_why_each_left():
    result = simulate([0, MS, 50 * MS], BatchPolicy(max_batch_size=2, flush_interval="10ms"))

    assert result.batches.drop("time").rows() == [
        (0, 0, 2, 0, MS, "size"),
        (1, 2, 1, 50 * MS, 60 * MS, "age"),
    ]


def test_the_table_of_events_keeps_their_place_in_the_log():
    arrivals = Arrivals.of_times([5 * MS, 0], types=["late", "early"])

    events = simulate(arrivals, BatchPolicy(max_batch_size=2, flush_interval="1s"), delivery=policy()).events

    assert events.drop("time").rows() == [
        (1, "early", 0, 0, 0, 15 * MS),
        (0, "late", 0, 1, 5 * MS, 10 * MS),
    ]


def test_mean_waits_by_cause_add_up_to_the_mean_latency_of_their_span():
    arrivals = np.arange(100) * MS
    throttle = ThrottlePolicy(RateLimit(1, "15ms"))
    result = simulate(arrivals, BatchPolicy(max_batch_size=5, flush_interval="1s"), throttle, policy())

    waits = result.waits(bins=2)

    latency = result.latency_ns.to_numpy()
    assert waits["events"].unique().to_list() == [50]
    assert waits.group_by("time").agg(pl.col("mean_ns").sum()).sort("time")[
        "mean_ns"
    ].to_list() == pytest.approx([latency[:50].mean(), latency[50:].mean()])


def test_the_queue_tells_where_the_events_are():
    batch = BatchPolicy(max_batch_size=2, flush_interval="1s")
    result = simulate([0, 0, 0, 0, 35 * MS], batch, delivery=policy(max_in_flight=1))

    at = [5, 15, 40]
    queue = result.queue(points=1_045).filter((pl.col("at_ns") // MS).is_in(at))

    assert queue.select("in_batch", "waiting", "in_flight").rows() == [(0, 2, 2), (0, 0, 2), (1, 0, 0)]


def test_no_events_make_an_empty_simulation():
    result = simulate([])

    assert (len(result.events), len(result.requests), len(result.batches), len(result.waits())) == (
        0,
        0,
        0,
        0,
    )


def test_no_events_have_no_quantiles():
    with pytest.raises(SimulationError, match="there are no events"):
        simulate([]).latency_quantile_ns(0.5)


def test_service_times_beyond_all_bounds_are_refused():
    delivery = policy(max_in_flight=1, service=ServiceModel(fixed="24h"))

    with pytest.raises(PolicyError, match="slots busy for more than 100 years"):
        simulate([0] * 60_000, ALONE, delivery=delivery)


def test_calls_wait_for_slots_and_tokens_like_requests():
    throttle = ThrottlePolicy(operations={"query": RateLimit(3, "1s")})

    calls = simulate_calls([MS, 0], throttle, policy(max_in_flight=1), tokens=[2, 1])

    assert calls.select("request", "release_ns", "start_ns", "tokens").rows() == [
        (0, MS, 10 * MS, 2),
        (1, 0, 0, 1),
    ]


def test_a_call_costs_at_least_one_token():
    with pytest.raises(SimulationError, match="tokens: needs numbers of 1 or more, got 0"):
        simulate_calls([0], tokens=0)
