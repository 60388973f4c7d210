from __future__ import annotations

import numpy as np
import pytest

from evanalytics import compiled
from evanalytics.batching.policy import BatchPolicy
from evanalytics.batching.simulate import REASONS, simulate_batches
from evanalytics.exceptions import PolicyError

S = 1_000_000_000


@pytest.fixture(params=["kernels", "numpy"], autouse=True)
def executor(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setattr(compiled, "IS_COMPILED", False)


def cut(arrivals, policy, sizes=None):
    batches = simulate_batches(
        np.array(arrivals, np.int64), policy, None if sizes is None else np.array(sizes)
    )
    reasons = [REASONS[code] for code in batches.reason]
    return list(zip(batches.sizes.tolist(), batches.leave_ns.tolist(), reasons, strict=True))


def test_a_full_batch_leaves_at_the_arrival_that_fills_it():
    policy = BatchPolicy(max_batch_size=2, flush_interval="1s")

    assert cut([0, 5, 7], policy) == [(2, 5, "size"), (1, 7 + S, "age")]


def test_an_arrival_at_the_deadline_opens_the_next_batch():
    policy = BatchPolicy(max_batch_size=10, flush_interval="1s")

    assert cut([0, S - 1, S], policy) == [(2, S, "age"), (1, 2 * S, "age")]


def test_age_wins_when_the_filling_arrival_is_at_the_deadline():
    policy = BatchPolicy(max_batch_size=2, flush_interval="1s")

    assert cut([0, S], policy) == [(1, S, "age"), (1, 2 * S, "age")]


def test_the_deadline_counts_from_the_first_event_only():
    policy = BatchPolicy(max_batch_size=10, flush_interval="1s")

    assert cut([0, S // 2, S // 2 + 1], policy) == [(3, S, "age")]


def test_without_an_interval_every_event_leaves_alone_by_age():
    policy = BatchPolicy(max_batch_size=1, flush_interval="0s")

    assert cut([3, 3, 4], policy) == [(1, 3, "age"), (1, 3, "age"), (1, 4, "age")]


def test_a_size_of_one_lets_every_event_leave_alone_by_size():
    policy = BatchPolicy(max_batch_size=1, flush_interval="1s")

    assert cut([3, 3], policy) == [(1, 3, "size"), (1, 3, "size")]


def test_a_batch_leaves_once_it_holds_so_many_bytes():
    policy = BatchPolicy(max_batch_size=10, flush_interval="1s", max_batch_bytes=100)

    assert cut([0, 1, 2, 3], policy, [60, 40, 100, 1]) == [
        (2, 1, "bytes"),
        (1, 2, "bytes"),
        (1, 3 + S, "age"),
    ]


def test_size_is_the_reason_when_one_event_reaches_both_bounds():
    policy = BatchPolicy(max_batch_size=2, flush_interval="1s", max_batch_bytes=100)

    assert cut([0, 1], policy, [50, 50]) == [(2, 1, "size")]


def test_no_events_make_no_batches():
    assert cut([], BatchPolicy()) == []


def test_counting_bytes_needs_sizes():
    with pytest.raises(PolicyError, match=r"max_batch_bytes: counts bytes.*give the events' sizes"):
        cut([0], BatchPolicy(max_batch_bytes=5))
