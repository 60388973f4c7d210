from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evanalytics.exceptions import PolicyError, SimulationError
from evanalytics.throttling.closed_forms import grant_by_columns, has_closed_form
from evanalytics.throttling.policy import RateLimit, ThrottlePolicy
from evanalytics.throttling.simulate import grant_in_line, simulate_throttle
from tests import reference
from tests.strategies import rate_limits

MS = 1_000_000


def granted(asked, limit, tokens=1):
    return simulate_throttle(np.array(asked, np.int64), ThrottlePolicy(limit), tokens=tokens).tolist()


def test_a_sliding_window_spaces_the_nth_next_one_by_its_length():
    assert granted([0, 1, 2, 3], RateLimit(2, "10ms")) == [0, 1, 10 * MS, 10 * MS + 1]


def test_a_token_bucket_starts_full_and_then_drips():
    limit = RateLimit(1, "10ms", kind="token_bucket", burst=2)

    assert granted([0, 0, 0, 0], limit) == [0, 0, 10 * MS, 20 * MS]


def test_a_weight_above_the_burst_is_granted_by_a_full_bucket_and_leaves_a_debt():
    limit = RateLimit(1, "10ms", kind="token_bucket", burst=1)

    assert granted([0, 0], limit, tokens=np.array([3, 1])) == [0, 30 * MS]


def test_fixed_windows_begin_at_their_origin():
    limit = RateLimit(1, "10ms", kind="fixed_window", origin="4ms")

    assert granted([0, 0, 0], limit) == [0, 4 * MS, 14 * MS]


def test_a_weight_goes_into_one_window_whole():
    limit = RateLimit(3, "10ms", kind="fixed_window")

    assert granted([0, 1, 2], limit, tokens=np.array([2, 2, 1])) == [0, 10 * MS, 10 * MS]


def test_operations_do_not_share_tokens():
    policy = ThrottlePolicy(RateLimit(1, "10ms"), operations={"query": RateLimit(1, "1ms")})
    asked = np.zeros(4, np.int64)

    starts = simulate_throttle(asked, policy, operation=["publish", "query", "query", "publish"])

    assert starts.tolist() == [0, 0, MS, 10 * MS]


def test_without_a_limit_nobody_waits():
    assert granted([5, 6], None) == [5, 6]


def test_nobody_asks():
    assert granted([], RateLimit(1, "1s")) == []


def test_more_tokens_than_a_window_holds_are_refused():
    with pytest.raises(PolicyError, match="never grants more than 2 tokens at once, and 3 are wanted"):
        granted([0], RateLimit(2, "1s"), tokens=3)


def test_a_wait_of_a_century_is_refused():
    with pytest.raises(PolicyError, match="would take more than 100 years"):
        granted([0] * 1_000, RateLimit(1, "366d"))


askers = st.lists(st.tuples(st.integers(0, 9 * MS), st.integers(1, 4)), max_size=30).map(sorted)


@given(askers, rate_limits())
def test_every_line_is_served_as_the_oracle_says(line, limit):
    line = [(asked, min(tokens, limit.max_tokens or tokens)) for asked, tokens in line]
    asked = np.array([asked for asked, _ in line], np.int64)
    tokens = np.array([tokens for _, tokens in line], np.int64)

    assert grant_in_line(asked, tokens, limit).tolist() == reference.grants(line, limit)


@given(askers, rate_limits())
def test_closed_forms_serve_single_tokens_as_the_oracle_says(line, limit):
    asked = np.array([asked for asked, _ in line], np.int64)
    tokens = np.ones(len(line), np.int64)

    assert has_closed_form(limit, tokens)
    assert grant_by_columns(asked, tokens, limit).tolist() == reference.grants(
        [(a, 1) for a, _ in line], limit
    )


def test_askers_come_in_the_order_of_time():
    with pytest.raises(SimulationError, match="asked_ns: must never decrease; sort the askers"):
        granted([1, 0], RateLimit(1, "1s"))


def test_nobody_can_ask_for_nothing():
    with pytest.raises(PolicyError, match="needs at least 1 token each, got 0"):
        granted([0], RateLimit(1, "1s"), tokens=0)
