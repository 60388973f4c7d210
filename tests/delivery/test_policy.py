from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evanalytics.batching.policy import BatchPolicy
from evanalytics.delivery.policy import DeliveryPolicy, Retry, check_fit
from evanalytics.exceptions import PolicyError
from evanalytics.throttling.policy import RateLimit, ThrottlePolicy

MS = 1_000_000


def test_waits_grow_by_the_factor_up_to_the_longest():
    retry = Retry(max_attempts=6, base="100ms", factor=3, max_delay="2s", jitter=0)

    assert [retry.backoff_ns(0, k) // MS for k in range(1, 6)] == [100, 300, 900, 2_000, 2_000]


def test_no_retry_has_no_waits():
    assert Retry(max_attempts=1).delays_ns == ()


@given(st.integers(0, 10**6), st.integers(1, 4), st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_jitter_only_shortens_a_wait_by_its_share(request_index, attempt, jitter):
    retry = Retry(base="100ms", jitter=jitter)
    whole = retry.delays_ns[attempt - 1]

    assert max(int(whole * (1 - jitter)) - 1, 1) <= retry.backoff_ns(request_index, attempt) <= whole


def test_a_wait_is_never_nothing():
    assert Retry(base="0s").backoff_ns(0, 1) == 1


def test_jitter_differs_between_requests():
    retry = Retry(base="100ms")

    assert len({retry.backoff_ns(request, 1) for request in range(100)}) == 100


def test_factor_below_one_is_refused():
    with pytest.raises(PolicyError, match=r"Retry\.factor: needs a number from 1 to 100, got 0\.5"):
        Retry(factor=0.5)


def test_no_slot_at_all_is_refused():
    with pytest.raises(
        PolicyError, match=r"DeliveryPolicy\.max_in_flight: needs a whole number of at least 1"
    ):
        DeliveryPolicy(max_in_flight=0)


def test_timeout_of_zero_is_refused():
    with pytest.raises(PolicyError, match=r"DeliveryPolicy\.delivery_timeout: must be more than zero"):
        DeliveryPolicy(delivery_timeout="0s")


def test_batches_too_large_for_their_window_are_refused():
    throttle = ThrottlePolicy(RateLimit(50, "1s"), tokens_per="event")

    with pytest.raises(PolicyError, match=r"costs 100 tokens, .* use max_batch_size=50"):
        check_fit(BatchPolicy(max_batch_size=100), throttle)


@pytest.mark.parametrize(
    "throttle",
    [
        ThrottlePolicy(RateLimit(50, "1s")),
        ThrottlePolicy(RateLimit(50, "1s", kind="token_bucket"), tokens_per="event"),
        ThrottlePolicy(tokens_per="event"),
    ],
    ids=["token per request", "bucket in debt", "no limit"],
)
def test_batches_that_can_be_paid_for_fit(throttle):
    check_fit(BatchPolicy(max_batch_size=100), throttle)
