"""A log under given policies: every batch, request and latency, without waiting for any of them."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from evanalytics.batching.policy import BatchPolicy
from evanalytics.batching.simulate import Batches, simulate_batches
from evanalytics.delivery.arrivals import LONGEST_LOG_NS, Arrivals, check_length, whole_numbers
from evanalytics.delivery.policy import DeliveryPolicy
from evanalytics.delivery.requests import Requests, all_requests, requests_of
from evanalytics.delivery.sending import Released, send_requests
from evanalytics.delivery.simulation import Simulation
from evanalytics.delivery.tables import request_table
from evanalytics.logs.log import EventLog
from evanalytics.throttling.policy import ThrottlePolicy


def simulate(
    log: EventLog | Arrivals | ArrayLike,
    batch: BatchPolicy | None = None,
    throttle: ThrottlePolicy | None = None,
    delivery: DeliveryPolicy | None = None,
    *,
    operation: str = "publish",
) -> Simulation:
    """Return what would happen to a log's events under these policies, to the nanosecond.

    It is what the live classes do on a clock that nobody delays: the same batches, starts and
    latencies. Three things are other than live: the last batch leaves at its deadline (`close`
    would send it at once), the queue may grow without bound (`max_queue`), and calls take
    the time and meet the failures of `delivery.service`.

    Args:
        log: A log, whose events arrive at their `ts`, at one instant by `seq`; or `Arrivals`; or
            arrival times in whole nanoseconds since the start.
        batch: When a batch leaves, and how it becomes requests.
        throttle: How fast requests start.
        delivery: How many are in flight, retries, timeout, and the service.
        operation: Whose limit holds.

    Raises:
        PolicyError: The policies contradict each other, or `max_batch_bytes` meets unknown sizes.
        SimulationError: The arrivals cannot be read.

    Example:
        >>> from evanalytics.throttling.policy import RateLimit
        >>> result = simulate(
        ...     [0, 1_000_000, 2_000_000, 3_000_000],
        ...     BatchPolicy(max_batch_size=2, flush_interval="1s"),
        ...     ThrottlePolicy(RateLimit(1, "1s")),
        ... )
        >>> [round(ns / 1e6) for ns in result.latency_ns]
        [21, 20, 1019, 1018]
    """
    batch, throttle = batch or BatchPolicy(), throttle or ThrottlePolicy()
    delivery = delivery or DeliveryPolicy()
    arrivals = arrivals_of(log, batch)
    batches = simulate_batches(arrivals.time_ns, batch, arrivals.sizes)
    parts = requests_of(batches, arrivals.types, len(arrivals.type_names), batch.group_by)
    requests = all_requests(parts)
    released = release(batches, requests, throttle)
    sent = send_requests(released, throttle.limit_of(operation), delivery)
    return Simulation(arrivals, batches, requests, released, sent)


def simulate_calls(
    times_ns: ArrayLike,
    throttle: ThrottlePolicy | None = None,
    delivery: DeliveryPolicy | None = None,
    *,
    operation: str = "query",
    tokens: int | ArrayLike = 1,
) -> pl.DataFrame:
    """Return what would become of calls that carry no events, such as queries: one row per call.

    Args:
        times_ns: When each call is made, in nanoseconds since the start, in any order.
        throttle: How fast calls start.
        delivery: How many are in flight, retries, timeout, and the service.
        operation: Whose limit holds.
        tokens: What every call costs, or each.

    Raises:
        PolicyError: A call costs more tokens than are ever granted.
        SimulationError: The times cannot be read.

    Example:
        >>> simulate_calls([0, 0], delivery=DeliveryPolicy(max_in_flight=1))["finish_ns"].to_list()
        [20000000, 40000000]
    """
    times = whole_numbers(times_ns, "times_ns", most=LONGEST_LOG_NS)
    every = np.full(times.shape, tokens) if isinstance(tokens, int) else tokens
    costs = whole_numbers(every, "tokens", least=1, most=2**31 - 1)
    check_length(costs, "tokens", len(times))
    order = np.argsort(times, kind="stable")
    calls = np.arange(len(times), dtype=np.int32)
    released = Released(times[order], calls, np.zeros_like(calls), costs[order].astype(np.int32))
    policy = throttle or ThrottlePolicy()
    sent = send_requests(released, policy.limit_of(operation), delivery or DeliveryPolicy())
    return request_table(released, sent).with_columns(request=pl.Series(order)).sort("request")


def arrivals_of(log: EventLog | Arrivals | ArrayLike, batch: BatchPolicy) -> Arrivals:
    """Return the arrivals of whatever stands for a log, with the sizes if the policy needs them."""
    if isinstance(log, Arrivals):
        return log
    if isinstance(log, EventLog):
        return Arrivals.of_log(log, with_sizes=batch.max_batch_bytes is not None)
    return Arrivals.of_times(log)


def release(batches: Batches, requests: Requests, throttle: ThrottlePolicy) -> Released:
    """Return requests as they are released, each with what it costs."""
    tokens = requests.events if throttle.tokens_per == "event" else np.zeros(0, np.int32)
    return Released(batches.leave_ns, requests.batch, requests.events, tokens)
