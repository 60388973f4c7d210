from __future__ import annotations

import pytest

from evanalytics.exceptions import PolicyError
from evanalytics.throttling.policy import RateLimit, ThrottlePolicy


def test_cost_of_a_weight_is_rounded_up_once():
    assert RateLimit(3, "1s", kind="token_bucket").cost_ns(2) == 666_666_667


def test_token_bucket_holds_as_many_as_flow_in_unless_told_otherwise():
    assert RateLimit(7, "1s", kind="token_bucket").burst == 7


def test_slack_is_how_long_before_it_is_full_a_bucket_grants_a_weight():
    assert RateLimit(10, "1s", kind="token_bucket", burst=5).slack_ns(2) == 300_000_000


def test_weight_above_the_burst_has_no_slack():
    assert RateLimit(10, "1s", kind="token_bucket", burst=5).slack_ns(6) == 0


@pytest.mark.parametrize(
    ("limit", "most"),
    [
        (RateLimit(5, "1s"), 5),
        (RateLimit(5, "1s", kind="fixed_window"), 5),
        (RateLimit(5, "1s", kind="token_bucket", burst=3), None),
        (RateLimit(5, "1s", kind="token_bucket", burst=3, over_burst="refuse"), 3),
    ],
    ids=["sliding", "fixed", "bucket in debt", "bucket that refuses"],
)
def test_most_tokens_at_once(limit, most):
    assert limit.max_tokens == most


def test_time_of_zero_is_refused():
    with pytest.raises(PolicyError, match=r"RateLimit\.per: must be more than zero"):
        RateLimit(5, "0s")


def test_unknown_kind_is_refused_beside_the_known_ones():
    with pytest.raises(PolicyError, match=r"RateLimit\.kind: needs one of 'sliding_window', .* got 'leaky'"):
        RateLimit(5, "1s", kind="leaky")


def test_burst_of_a_window_is_refused():
    with pytest.raises(PolicyError, match=r"RateLimit\.burst: only a token_bucket has one"):
        RateLimit(5, "1s", burst=3)


def test_origin_of_a_sliding_window_is_refused():
    with pytest.raises(PolicyError, match=r"RateLimit\.origin: only a fixed_window has one"):
        RateLimit(5, "1s", origin="1ms")


def test_origin_beyond_the_first_window_is_refused():
    with pytest.raises(PolicyError, match=r"RateLimit\.origin: needs less than per"):
        RateLimit(5, "1s", kind="fixed_window", origin="1s")


def test_named_operation_has_its_own_limit():
    policy = ThrottlePolicy(RateLimit(1, "1s"), operations={"query": RateLimit(2, "1s")})

    assert policy.limit_of("query") == RateLimit(2, "1s")


def test_other_operations_have_the_default_limit():
    policy = ThrottlePolicy(RateLimit(1, "1s"), operations={"query": RateLimit(2, "1s")})

    assert policy.limit_of("publish") == RateLimit(1, "1s")


def test_request_costs_one_token_or_one_per_event():
    costs = [ThrottlePolicy(tokens_per=per).tokens_of(20) for per in ("request", "event")]

    assert costs == [1, 20]


def test_limits_cannot_be_changed_from_outside():
    operations = {"query": RateLimit(2, "1s")}
    policy = ThrottlePolicy(operations=operations)
    operations.clear()

    assert policy.limit_of("query") == RateLimit(2, "1s")


def test_limit_of_another_type_is_refused_with_its_operation():
    with pytest.raises(
        PolicyError, match=r"ThrottlePolicy\.operations\['query'\]: needs a RateLimit or None, got 20"
    ):
        ThrottlePolicy(operations={"query": 20})


def test_an_operation_may_be_without_the_default_limit():
    policy = ThrottlePolicy(RateLimit(1, "1s"), operations={"query": None})

    assert (policy.limit_of("query"), policy.limit_of("publish")) == (None, RateLimit(1, "1s"))
    assert ThrottlePolicy.from_json(policy.to_json()) == policy
    assert (
        repr(policy)
        == "ThrottlePolicy(default=RateLimit(max_requests=1, per='1s'), operations={'query': None})"
    )


@pytest.mark.parametrize("operations", [[], None, "query"])
def test_operations_that_are_no_mapping_are_refused(operations):
    with pytest.raises(PolicyError, match=r"ThrottlePolicy\.operations: needs limits by operation"):
        ThrottlePolicy.from_dict({"operations": operations})
