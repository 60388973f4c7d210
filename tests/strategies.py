"""Random arrivals and policies, made so that ties, bursts and full lines are common."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate
from typing import Any

from hypothesis import strategies as st

from evanalytics.batching.policy import BatchPolicy
from evanalytics.delivery.policy import DeliveryPolicy, Retry
from evanalytics.delivery.service_model import ServiceModel
from evanalytics.throttling.policy import RateLimit, ThrottlePolicy

MS = 1_000_000

Pick = Callable[[list[Any]], Any]
Whole = Callable[[int, int], int]


@dataclass(frozen=True)
class Scenario:
    """Arrivals of events and of queries, and the policies under which they are handled.

    Times are nanoseconds since the start, not decreasing; queries are (instant, tokens).
    """

    arrivals: list[int]
    types: list[str]
    sizes: list[int]
    queries: list[tuple[int, int]]
    batch: BatchPolicy
    throttle: ThrottlePolicy
    delivery: DeliveryPolicy


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Scenarios that Hypothesis can shrink."""
    return _scenario(
        lambda choices: draw(st.sampled_from(choices)),
        lambda least, most: draw(st.integers(least, most)),
    )


def random_scenario(seed: int) -> Scenario:
    """The scenario of a seed: many of them are quicker than Hypothesis' own."""
    source = random.Random(seed)
    return _scenario(source.choice, source.randint)


@st.composite
def rate_limits(draw: st.DrawFn) -> RateLimit:
    """Limits of all three kinds, from one token on."""
    return _limit(
        lambda choices: draw(st.sampled_from(choices)),
        lambda least, most: draw(st.integers(least, most)),
        least=1,
    )


def _scenario(pick: Pick, whole: Whole) -> Scenario:
    count = whole(1, 24)
    batch = BatchPolicy(
        max_batch_size=pick([1, 2, 3, 5, 100]),
        flush_interval=timedelta(milliseconds=pick([0, 1, 2, 4, 7])),
        max_batch_bytes=pick([None, None, 30, 90]),
        group_by=pick(["type", "type", None]),
    )
    tokens_per = pick(["request", "request", "event"])
    largest = min(batch.max_batch_size, count) if tokens_per == "event" else 1
    return Scenario(
        arrivals=_instants(pick, count),
        types=[pick(["paid", "paid", "shipped", "viewed"]) for _ in range(count)],
        sizes=[whole(0, 40) for _ in range(count)],
        queries=[(instant, whole(1, 3)) for instant in _instants(pick, whole(0, 8))],
        batch=batch,
        throttle=ThrottlePolicy(
            _limit(pick, whole, least=largest) if whole(0, 3) else None,
            operations={"query": _limit(pick, whole, least=3)},
            tokens_per=tokens_per,
        ),
        delivery=_delivery(pick, whole),
    )


def _instants(pick: Pick, count: int) -> list[int]:
    gaps = [pick([0, 0, 0, MS, MS, 2 * MS, 3 * MS, 9 * MS, 333_333]) for _ in range(count)]
    return list(accumulate(gaps))


def _limit(pick: Pick, whole: Whole, *, least: int) -> RateLimit:
    kind = pick(["sliding_window", "token_bucket", "fixed_window"])
    per = timedelta(milliseconds=pick([1, 2, 3, 5, 10]))
    return RateLimit(
        whole(1 if kind == "token_bucket" else least, max(least, 4)),
        per,
        kind=kind,
        burst=pick([None, 1, 2, 4]) if kind == "token_bucket" else None,
        origin=pick([timedelta(0), per / 2]) if kind == "fixed_window" else timedelta(0),
    )


def _delivery(pick: Pick, whole: Whole) -> DeliveryPolicy:
    spread = pick([0, 0, 3])
    return DeliveryPolicy(
        max_in_flight=pick([None, 1, 1, 2, 3]),
        retry=Retry(
            max_attempts=whole(1, 4),
            base=timedelta(milliseconds=pick([0, 1, 2])),
            factor=pick([1, 2]),
            max_delay="4ms",
            jitter=pick([0, 0, 0.5, 1]),
            seed=whole(0, 3),
        ),
        delivery_timeout=pick([None, None, timedelta(milliseconds=whole(1, 25))]),
        service=ServiceModel(
            fixed=timedelta(milliseconds=pick([0, 1, 2, 5])),
            per_event=timedelta(milliseconds=pick([0, 0, 1])),
            distribution="uniform" if spread else "constant",
            spread=timedelta(milliseconds=spread),
            failure_rate=pick([0, 0, 0.3, 0.7]),
            seed=whole(0, 3),
        ),
    )
