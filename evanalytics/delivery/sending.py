"""Requests go out: each one takes a slot, then tokens, then its time, and perhaps tries again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evanalytics.delivery.fates import extra_times, fates_of
from evanalytics.delivery.policy import DeliveryPolicy
from evanalytics.exceptions import PolicyError
from evanalytics.throttling.closed_forms import bucket_tables, grant_by_columns, has_closed_form
from evanalytics.throttling.policy import RateLimit
from evanalytics.throttling.simulate import LAST_INSTANT_NS, check_tokens

Int64Array = NDArray[np.int64]
Int32Array = NDArray[np.int32]

OUTCOMES = ("delivered", "failed", "timeout")
"""What can become of a request, in the order of their codes."""

NEVER = -1

# as the kernels know them
_KINDS = {"sliding_window": 1, "token_bucket": 2, "fixed_window": 3}
_STATES = 5


@dataclass(frozen=True, slots=True)
class Released:
    """Requests of one operation in the order of their release.

    Attributes:
        leave_ns: When each batch leaves, in nanoseconds since the log's start, never decreasing.
        batch: Each request's batch, never decreasing: the request is released when that leaves.
        events: How many events each request carries.
        tokens: What each request costs at each attempt; empty where each costs one token.
    """

    leave_ns: Int64Array
    batch: Int32Array
    events: Int32Array
    tokens: Int32Array

    def __len__(self) -> int:
        return len(self.batch)

    @property
    def release_ns(self) -> Int64Array:
        """When each request is released."""
        return self.leave_ns[self.batch]

    @property
    def all_tokens(self) -> Int64Array:
        """What each request costs, spelled out."""
        return self.tokens.astype(np.int64) if len(self.tokens) else np.ones(len(self), np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of requests; instants in nanoseconds since the log's start.

    Attributes:
        asked_ns: When each request took its slot and asked for its first tokens, or `NEVER`.
        finish_ns: When it was delivered or handed back.
        outcome: What became of it, as an index into `OUTCOMES`.
        attempts: How many attempts it made.
        first_attempt: Where in `start_ns` its attempts begin, with room for all that it might make.
        start_ns: When each attempt started, or `NEVER`.
        in_line_ns: How long it waited in line for tokens, at all its attempts.
        in_service_ns: How long its attempts took.
    """

    asked_ns: Int64Array
    finish_ns: Int64Array
    outcome: NDArray[np.int8]
    attempts: Int64Array
    first_attempt: Int64Array
    start_ns: Int64Array
    in_line_ns: Int64Array
    in_service_ns: Int64Array


class _LimitArrays(NamedTuple):
    rule: Int64Array
    state: Int64Array
    ring: Int64Array
    costs: Int64Array
    slacks: Int64Array


def may_fail(policy: DeliveryPolicy) -> bool:
    """Return whether requests may be handed back, or need more than one attempt."""
    return policy.service.failure_threshold > 0 or policy.delivery_timeout is not None


def send_requests(released: Released, limit: RateLimit | None, policy: DeliveryPolicy) -> Sent:
    """Return what becomes of requests.

    Raises:
        PolicyError: A request asks for more tokens than are ever granted, or the last one would
            wait for centuries.
    """
    if may_fail(policy):
        return _send_with_retries(released, limit, policy)
    asked, start, finish = _send_once(released, limit, policy, with_starts=True)
    return Sent(
        asked_ns=asked,
        finish_ns=finish,
        outcome=np.zeros(len(finish), np.int8),
        attempts=np.ones(len(finish), np.int64),
        first_attempt=np.arange(len(finish)),
        start_ns=start,
        in_line_ns=start - asked,
        in_service_ns=finish - start,
    )


def delivery_times(
    released: Released, limit: RateLimit | None, policy: DeliveryPolicy
) -> tuple[Int64Array, int]:
    """Return when each request is delivered, `NEVER` if it is not, and how many attempts are made.

    It is what `send_requests` tells, without what a table of requests needs besides.

    Raises:
        PolicyError: As `send_requests`.
    """
    if not may_fail(policy):
        return _send_once(released, limit, policy, with_starts=False)[2], len(released)
    sent = _send_with_retries(released, limit, policy)
    return np.where(sent.outcome == 0, sent.finish_ns, NEVER), int(sent.attempts.sum())


def _send_once(
    released: Released, limit: RateLimit | None, policy: DeliveryPolicy, *, with_starts: bool
) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Return when each request asks, starts and ends, none of which fails."""
    from evanalytics.compiled import IS_COMPILED

    count, service, slots = len(released), policy.service, _slots(policy, len(released))
    extra = np.zeros(0, np.int64)
    if service.distribution != "constant":
        extra = extra_times(service, np.arange(count), np.zeros(count, np.int64))
    busy_ns = count * service.fixed_ns + service.per_event_ns * int(released.events.sum())
    busy_ns += int(extra.sum(dtype=np.float64))
    _check_length(released, busy_ns, slots)
    limit_arrays = _limit_arrays(released, limit, total=int(released.tokens.sum()) or count)
    if not IS_COMPILED and slots == 0 and (limit is None or has_closed_form(limit, released.all_tokens)):
        return send_by_columns(released, limit, service.fixed_ns, service.per_event_ns, extra)
    from evanalytics.delivery import kernels

    all_equal = service.per_event_ns == 0 and len(extra) == 0
    free = np.zeros(0 if all_equal else slots, np.int64)
    finish = np.empty(count, np.int64)
    asked, start = (np.empty(count if with_starts else 0, np.int64) for _ in range(2))
    kernels.send_once(
        released.leave_ns, released.batch, released.events, released.tokens,
        service.fixed_ns, service.per_event_ns, extra, slots, free,
        *limit_arrays, asked, start, finish,
    )  # fmt: skip
    return asked, start, finish


def send_by_columns(
    released: Released, limit: RateLimit | None, fixed_ns: int, per_event_ns: int, extra_ns: Int64Array
) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Return the same without compiled loops, where there is no bound on what is in flight."""
    release = released.release_ns
    start = release if limit is None else grant_by_columns(release, released.all_tokens, limit)
    asked = np.maximum(release, np.concatenate(([0], start[:-1])))
    finish = start + fixed_ns + per_event_ns * released.events.astype(np.int64)
    return asked, start, finish + extra_ns if len(extra_ns) else finish


def _send_with_retries(released: Released, limit: RateLimit | None, policy: DeliveryPolicy) -> Sent:
    from evanalytics.delivery import kernels

    count, slots = len(released), _slots(policy, len(released))
    fates = fates_of(policy, released.events)
    release, timeout = released.release_ns, policy.delivery_timeout_ns
    busy_ns = int(fates.service_ns.sum(dtype=np.float64) + fates.backoff_ns.sum(dtype=np.float64))
    _check_length(released, busy_ns, slots)
    tokens = released.all_tokens
    limit_arrays = _limit_arrays(released, limit, total=int(tokens @ np.diff(fates.first)))
    deadline = np.full(count, kernels.FAR_NS) if timeout is None else release + timeout
    sent = Sent(
        asked_ns=np.full(count, NEVER, np.int64),
        finish_ns=np.zeros(count, np.int64),
        outcome=np.zeros(count, np.int8),
        attempts=np.zeros(count, np.int64),
        first_attempt=fates.first[:-1],
        start_ns=np.full(len(fates.service_ns), NEVER, np.int64),
        in_line_ns=np.zeros(count, np.int64),
        in_service_ns=np.zeros(count, np.int64),
    )
    ends, backing_off, due = np.zeros(slots, np.int64), np.zeros(count, np.int64), np.zeros(count, np.int64)
    kernels.send_with_retries(
        release, deadline, tokens,
        fates.first, fates.service_ns, fates.backoff_ns, fates.is_last_good, slots, *limit_arrays,
        ends, backing_off, due, sent.asked_ns, sent.start_ns, sent.finish_ns, sent.attempts,
        sent.outcome, sent.in_line_ns, sent.in_service_ns,
    )  # fmt: skip
    return sent


def _slots(policy: DeliveryPolicy, requests: int) -> int:
    """Return how many requests can be in flight at once; 0 where that is no bound."""
    bound = policy.max_in_flight
    return 0 if bound is None or bound >= requests else bound


def _limit_arrays(released: Released, limit: RateLimit | None, *, total: int) -> _LimitArrays:
    """Return a fresh limit, from which so many tokens are taken, for the kernels."""
    nothing, state = np.zeros(2, np.int64), np.zeros(_STATES, np.int64)
    if limit is None or len(released) == 0:
        return _LimitArrays(np.zeros(4, np.int64), state, nothing, nothing, nothing)
    tokens = released.tokens if len(released.tokens) else np.ones(1, np.int32)
    most = int(tokens.max())
    check_tokens(limit, most=most, total=total, last_ns=int(released.leave_ns[-1]))
    rule = np.array([_KINDS[limit.kind], limit.max_requests, limit.per_ns, limit.origin_ns], np.int64)
    ring, costs, slacks = nothing, nothing, nothing
    if limit.kind == "sliding_window":
        ring = np.full(min(limit.max_requests, total), -limit.per_ns, np.int64)
    elif limit.kind == "token_bucket":
        costs, slacks = bucket_tables(limit, tokens)
    return _LimitArrays(rule, state, ring, costs, slacks)


def _check_length(released: Released, busy_ns: int, slots: int) -> None:
    """Refuse requests that keep their slots busy for longer than 64 bits of nanoseconds can tell."""
    last = int(released.leave_ns[-1]) if len(released) else 0
    if last + busy_ns // max(slots, 1) >= LAST_INSTANT_NS and slots:
        raise PolicyError(
            f"ServiceModel: {len(released)} requests would keep {slots} slots busy for more than 100 years; "
            "use shorter service times or more slots"
        )
