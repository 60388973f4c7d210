"""Runs a scenario through the simulators."""

from __future__ import annotations

import numpy as np

from evanalytics.batching.simulate import REASONS, simulate_batches
from evanalytics.delivery.arrivals import Arrivals
from evanalytics.delivery.requests import all_requests, requests_of
from evanalytics.delivery.sending import NEVER, OUTCOMES, Released, Sent, send_requests
from evanalytics.delivery.simulate import release, simulate
from evanalytics.tuning.metrics import measure
from evanalytics.tuning.settings import Settings
from tests.agreement.live_run import Outcome, Request
from tests.strategies import Scenario


def simulated(scenario: Scenario) -> Outcome:
    """Return what the simulators make of a scenario, step by step."""
    arrivals = arrivals_of(scenario)
    batches = simulate_batches(arrivals.time_ns, scenario.batch, arrivals.sizes)
    requests = all_requests(
        requests_of(batches, arrivals.types, len(arrivals.type_names), scenario.batch.group_by)
    )
    released = release(batches, requests, scenario.throttle)
    result = simulate(arrivals, scenario.batch, scenario.throttle, scenario.delivery)
    latencies = result.latency_ns
    return Outcome(
        batches=[
            (size, left, REASONS[reason])
            for size, left, reason in zip(
                batches.sizes.tolist(), batches.leave_ns.tolist(), batches.reason.tolist(), strict=True
            )
        ],
        requests=_rows(released, _sent(released, scenario, "publish")),
        queries=_queries(scenario),
        latencies=latencies.to_list(),
        handed_back=latencies.is_null().arg_true().to_list(),
    )


def quick_quantiles(scenario: Scenario) -> list[int | None]:
    """Return the median and the highest latency as the quick way behind a slider finds them."""
    settings = Settings(scenario.batch, scenario.throttle, scenario.delivery)
    return measure(arrivals_of(scenario), settings).latency.quantiles_ns((0.5, 1))


def rounded_up(latencies: list[int | None]) -> list[int | None]:
    """Return the same from exact latencies, rounded up as a histogram does."""
    ordered = sorted(latencies, key=lambda latency: float("inf") if latency is None else latency)
    return [_highest_of_bin(ordered[rank - 1]) for rank in (-(-len(ordered) // 2), len(ordered))]


def arrivals_of(scenario: Scenario) -> Arrivals:
    """Return a scenario's events as the simulators take them."""
    return Arrivals.of_times(scenario.arrivals, types=scenario.types, sizes=scenario.sizes)


def _queries(scenario: Scenario) -> list[Request]:
    instants = np.array([instant for instant, _ in scenario.queries], np.int64)
    numbers = np.arange(len(instants), dtype=np.int32)
    tokens = np.array([tokens for _, tokens in scenario.queries], np.int32)
    released = Released(instants, numbers, np.zeros_like(numbers), tokens)
    return _rows(released, _sent(released, scenario, "query"))


def _sent(released: Released, scenario: Scenario, operation: str) -> Sent:
    return send_requests(released, scenario.throttle.limit_of(operation), scenario.delivery)


def _rows(released: Released, sent: Sent) -> list[Request]:
    return [
        (
            index,
            int(released.events[index]),
            int(released.release_ns[index]),
            None if sent.asked_ns[index] == NEVER else int(sent.asked_ns[index]),
            tuple(sent.start_ns[first : first + made].tolist()),
            int(sent.finish_ns[index]),
            OUTCOMES[sent.outcome[index]],
        )
        for index, (first, made) in enumerate(zip(sent.first_attempt, sent.attempts, strict=True))
    ]


def _highest_of_bin(latency: int | None) -> int | None:
    if latency is None:
        return None
    shift = max(latency.bit_length() - 11, 0)
    return (((latency >> shift) + 1) << shift) - 1
