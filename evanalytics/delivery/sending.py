"""Requests go out: each one takes a slot, then tokens, then its time, and perhaps tries again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
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
_STATES = 6


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
    [(asked, start, finish)] = _sent_once([released], limit, policy, with_starts=True)
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
    parts: Sequence[Released], limit: RateLimit | None, policy: DeliveryPolicy
) -> Iterator[tuple[Int64Array, int]]:
    """Yield when the requests of each part are delivered, `NEVER` if not, and how many attempts they make.

    It is what `send_requests` tells of all of them, without what a table of requests needs
    besides, and of each part as soon as it is known.

    Raises:
        PolicyError: As `send_requests`.
    """
    if not may_fail(policy):
        for *_, finish in _sent_once(parts, limit, policy, with_starts=False):
            yield finish, len(finish)
        return
    sent = _send_with_retries(_joined(parts), limit, policy)
    for first, end in pairwise(accumulate(map(len, parts), initial=0)):
        is_delivered = sent.outcome[first:end] == 0
        yield np.where(is_delivered, sent.finish_ns[first:end], NEVER), int(sent.attempts[first:end].sum())


def _sent_once(
    parts: Sequence[Released], limit: RateLimit | None, policy: DeliveryPolicy, *, with_starts: bool
) -> Iterator[tuple[Int64Array, Int64Array, Int64Array]]:
    """Yield when the requests of each part ask, start and end, none of which fails."""
    from evanalytics.compiled import IS_COMPILED

    count, service = sum(map(len, parts)), policy.service
    slots, none = _slots(policy, count), np.zeros(0, np.int64)
    extra = none
    if service.distribution != "constant":
        extra = extra_times(service, np.arange(count), np.zeros(count, np.int64))
    busy_ns = count * service.fixed_ns + int(extra.sum(dtype=np.float64))
    busy_ns += service.per_event_ns * sum(int(part.events.sum()) for part in parts)
    _check_length(parts[0].leave_ns, busy_ns, slots, count)
    tokens = np.concatenate([part.tokens for part in parts])
    limit_arrays = _limit_arrays(parts[0].leave_ns, tokens, limit, total=int(tokens.sum()) or count)
    if not IS_COMPILED and slots == 0 and len(parts) == 1:
        only = parts[0]
        if limit is None or has_closed_form(limit, only.all_tokens):
            yield send_by_columns(only, limit, service.fixed_ns, service.per_event_ns, extra)
            return
    from evanalytics.delivery import kernels

    is_fifo, free = service.per_event_ns == 0 and len(extra) == 0, np.zeros(slots, np.int64)
    first = 0
    for part in parts:
        finish = np.empty(len(part), np.int64)
        asked, start = (np.empty_like(finish) if with_starts else none for _ in range(2))
        kernels.send_once(
            part.leave_ns, part.batch, part.events, part.tokens,
            service.fixed_ns, service.per_event_ns, extra[first : first + len(part)], free, is_fifo,
            *limit_arrays, asked, start, finish,
        )  # fmt: skip
        yield asked, start, finish
        first += len(part)


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
    _check_length(released.leave_ns, busy_ns, slots, count)
    tokens = released.all_tokens
    limit_arrays = _limit_arrays(
        released.leave_ns, released.tokens, limit, total=int(tokens @ np.diff(fates.first))
    )
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


def _joined(parts: Sequence[Released]) -> Released:
    columns = zip(*((part.batch, part.events, part.tokens) for part in parts), strict=True)
    return Released(parts[0].leave_ns, *map(np.concatenate, columns))


def _limit_arrays(
    leave_ns: Int64Array, tokens: Int32Array, limit: RateLimit | None, *, total: int
) -> _LimitArrays:
    """Return a fresh limit, from which so many tokens are taken, for the kernels.

    `tokens` are what each request costs, or empty where each costs one.
    """
    nothing, state = np.zeros(2, np.int64), np.zeros(_STATES, np.int64)
    if limit is None or total == 0:
        return _LimitArrays(np.zeros(4, np.int64), state, nothing, nothing, nothing)
    tokens = tokens if len(tokens) else np.ones(1, np.int32)
    most = int(tokens.max())
    check_tokens(limit, most=most, total=total, last_ns=int(leave_ns[-1]))
    rule = np.array([_KINDS[limit.kind], limit.max_requests, limit.per_ns, limit.origin_ns], np.int64)
    ring, costs, slacks = nothing, nothing, nothing
    if limit.kind == "sliding_window":
        ring = np.full(min(limit.max_requests, total), -limit.per_ns, np.int64)
    elif limit.kind == "token_bucket":
        costs, slacks = bucket_tables(limit, tokens)
    return _LimitArrays(rule, state, ring, costs, slacks)


def _check_length(leave_ns: Int64Array, busy_ns: int, slots: int, count: int) -> None:
    """Refuse requests that keep their slots busy for longer than 64 bits of nanoseconds can tell."""
    last = int(leave_ns[-1]) if count else 0
    if last + busy_ns // max(slots, 1) >= LAST_INSTANT_NS and slots:
        raise PolicyError(
            f"ServiceModel: {count} requests would keep {slots} slots busy for more than 100 years; "
            "use shorter service times or more slots"
        )
