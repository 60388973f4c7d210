"""What chance holds for every request: how long its calls take, which fail, how long it backs off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evanalytics.delivery.draws import BACKOFF, FAILURE, FRACTION_BITS, SERVICE, absorb, draw
from evanalytics.delivery.policy import DeliveryPolicy, Retry
from evanalytics.delivery.service_model import QUANTILE_BITS, ServiceModel
from evanalytics.exceptions import PolicyError

Int64Array = NDArray[np.int64]

_MOST_ATTEMPTS = 2**28
_SHARE = (1 << FRACTION_BITS) - 1


@dataclass(frozen=True, slots=True)
class Fates:
    """The attempts of requests, as many as each needs or may have.

    Attributes:
        first: Request r has the attempts from `first[r]` up to, not including, `first[r + 1]`.
        service_ns: How long each attempt takes.
        backoff_ns: The wait before each attempt; 0 before the first of a request.
        is_last_good: Whether a request's last attempt succeeds; the others fail.
    """

    first: Int64Array
    service_ns: Int64Array
    backoff_ns: Int64Array
    is_last_good: NDArray[np.bool_]


def fates_of(policy: DeliveryPolicy, events: NDArray[np.integer]) -> Fates:
    """Return the fates of requests with so many events each, by their index.

    Raises:
        PolicyError: There would be more than 268 million attempts.
    """
    tries, is_last_good = _tries(policy, len(events))
    first = np.concatenate(([0], np.cumsum(tries)))
    if first[-1] > _MOST_ATTEMPTS:
        raise PolicyError(
            f"DeliveryPolicy: {len(events)} requests would make {first[-1]} attempts; lower "
            "ServiceModel.failure_rate or Retry.max_attempts"
        )
    request = np.repeat(np.arange(len(events)), tries)
    attempt = np.arange(len(request)) - first[request]
    service = policy.service
    service_ns = service.fixed_ns + service.per_event_ns * events.astype(np.int64)[request]
    service_ns += extra_times(service, request, attempt)
    return Fates(first, service_ns, _backoffs(policy.retry, request, attempt), is_last_good)


def extra_times(service: ServiceModel, request: Int64Array, attempt: Int64Array) -> Int64Array:
    """Return the drawn part of how long attempts take, in nanoseconds, as `duration_ns` does for one."""
    if service.distribution == "constant":
        return np.zeros(len(request), np.int64)
    bits = _draws(service.seed, SERVICE, request, attempt) >> np.uint64(64 - QUANTILE_BITS - FRACTION_BITS)
    place = (bits >> np.uint64(FRACTION_BITS)).astype(np.int64)
    share = (bits & np.uint64(_SHARE)).astype(np.int64)
    table = np.array(service.extra_table_ns, dtype=np.int64)
    return table[place] + (np.diff(table)[place] * share >> FRACTION_BITS)


def _tries(policy: DeliveryPolicy, requests: int) -> tuple[Int64Array, NDArray[np.bool_]]:
    tries = np.ones(requests, np.int64)
    failing = np.arange(requests)
    for attempt in range(policy.retry.max_attempts):
        failing = failing[_fails(policy.service, failing, np.full(len(failing), attempt))]
        if len(failing) == 0 or attempt + 1 == policy.retry.max_attempts:
            break
        tries[failing] += 1
    is_last_good = np.ones(requests, np.bool_)
    is_last_good[failing] = False
    return tries, is_last_good


def _fails(service: ServiceModel, request: Int64Array, attempt: Int64Array) -> NDArray[np.bool_]:
    if service.failure_threshold == 0:
        return np.zeros(len(request), np.bool_)
    bits = _draws(service.seed, FAILURE, request, attempt)
    return bits >> np.uint64(11) < np.uint64(service.failure_threshold)


def _backoffs(retry: Retry, request: Int64Array, attempt: Int64Array) -> Int64Array:
    out = np.zeros(len(request), np.int64)
    again = np.flatnonzero(attempt)
    if len(again) == 0:
        return out
    delay = np.array(retry.delays_ns, dtype=np.int64)[attempt[again] - 1]
    share = _draws(retry.seed, BACKOFF, request[again], attempt[again]) >> np.uint64(64 - FRACTION_BITS)
    spread = delay * retry.jitter_parts >> FRACTION_BITS
    out[again] = np.maximum(delay - (spread * share.astype(np.int64) >> FRACTION_BITS), 1)
    return out


def _draws(seed: int, stream: int, request: Int64Array, attempt: Int64Array) -> NDArray[np.uint64]:
    from evanalytics.compiled import IS_COMPILED

    requests, attempts = request.astype(np.uint64), attempt.astype(np.uint64)
    if not IS_COMPILED:
        bits: NDArray[np.uint64] = draw(seed, stream, requests, attempts)
        return bits
    from evanalytics.delivery import kernels

    bits = np.empty(len(requests), np.uint64)
    kernels.draw_all(np.uint64(absorb(seed, stream)), requests, attempts, bits)
    return bits
